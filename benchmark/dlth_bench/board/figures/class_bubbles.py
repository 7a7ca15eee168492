"""Fig. 3 of the DLTH paper: accuracy of every class under several configs, and which classes rank them as a whole."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlth_bench.board.figures import drawing
from dlth_bench.board.figures.drawing import Material
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.selection.accuracies import mean_class_accuracies
from dlth_bench.selection.erc import consistent_classes


def class_bubbles(material: Material) -> Figure:
    """Full-data accuracy per class, one mark a class and config.

    Above the marks, a row of ticks shows the classes that order the configs as all classes do, which are ERC's
    choice (section 3.1 of the paper), and one row a subset the classes that it holds.

    Raises:
        InputError: fewer than two configs, or two that are equal on average.
    """
    protocol, catalog = material.protocol, class_catalog(material.protocol.data.dataset)
    configs = material.configs or _spanning_configs(protocol)
    accuracies = {name: mean_class_accuracies(protocol, name, material.full, catalog) for name in configs}
    consistent = consistent_classes(accuracies)
    classes = _by_difficulty(accuracies)
    ticks = {f"order as on all ({len(consistent.class_ids)})": consistent.class_ids}
    for row in material.rows:
        ids = row.submission.subset.ids
        ticks[f"{row.submission.metadata.name} ({len(ids)})"] = ids
    ticks_height = 0.17 * len(ticks) + 0.1
    what = f"full-data accuracy of each of {len(classes)} classes under {len(accuracies)} configs"
    figure = drawing.new_figure(10.5, ticks_height + 4.4, f"{protocol.key}: {what}")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[ticks_height, 3.6])
    _tick_rows(upper, ticks, classes)
    ends = _bubbles(lower, protocol, accuracies, classes)
    drawing.label_line_ends(lower, ends, lines=3)
    return figure


def _spanning_configs(protocol: Protocol) -> list[str]:
    """The full data's best, median and worst config: enough to see an order, few enough to tell apart."""
    entries = {} if protocol.reference is None else protocol.reference.configs
    ranked = sorted(entries, key=lambda name: (-entries[name].statistics[0], name))
    return [ranked[0], ranked[len(ranked) // 2], ranked[-1]] if ranked else []


def _by_difficulty(accuracies: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The classes from the lowest to the highest accuracy, the mean over configs; ties by ID."""
    first = next(iter(accuracies.values()))
    return sorted(first, key=lambda item: (fmean(values[item] for values in accuracies.values()), item))


def _tick_rows(axes: Axes, rows: Mapping[str, Collection[str]], classes: Sequence[str]) -> None:
    place = {item: index for index, item in enumerate(classes)}
    axes.eventplot(
        [sorted(place[item] for item in ids if item in place) for ids in rows.values()],
        lineoffsets=range(len(rows)),
        linelengths=0.75,
        linewidths=1.4,
        colors=["black", *["0.45"] * (len(rows) - 1)],
    )
    axes.set_yticks(range(len(rows)), list(rows), fontsize=7.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="both", length=0)
    axes.spines[:].set_visible(False)
    axes.tick_params(labelbottom=False)


def _bubbles(
    axes: Axes, protocol: Protocol, accuracies: Mapping[str, Mapping[str, float]], classes: Sequence[str]
) -> list[drawing.LineEnd]:
    ends = []
    for index, (config, values) in enumerate(accuracies.items()):
        style = drawing.line_style(index)
        heights = [100 * values[item] for item in classes]
        mean = fmean(heights)
        marks = {"color": style["color"], "marker": style["marker"], "edgecolors": "white", "linewidths": 0.3}
        axes.scatter(range(len(classes)), heights, s=26, alpha=0.8, zorder=3, **marks)
        axes.axhline(mean, color=style["color"], linestyle=style["linestyle"], linewidth=1, zorder=2)
        lines = [*textwrap.wrap(protocol.config(config).title, 26)[:2], f"mean {mean:.1f}"]
        ends.append(drawing.LineEnd(len(classes) + 1, mean, "\n".join(lines), style))
    axes.set_xlim(-2, len(classes) + 1)
    axes.set_ylim(min(-2.0, axes.get_ylim()[0]), 103)
    axes.set_xlabel("classes, from the hardest to the easiest on average")
    axes.set_ylabel("top-1 of the class, % (mean over seeds)")
    axes.set_xticks([])
    drawing.light_grid(axes, "y")
    return ends
