"""Accuracy over the configs of a protocol: how alike the trends of subsets and full data are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from dlth_bench.board.figures.style import (
    FULL_DATA,
    LineEnd,
    check_comparable,
    figure_style,
    label_line_ends,
    light_grid,
    line_style,
    new_figure,
    save,
    title,
)
from dlth_bench.protocols.measurements import ACCURACY
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.text import correlation

_FULL_STYLE: dict[str, Any] = {"color": "black", "marker": "o", "linewidth": 3, "markersize": 6}


def accuracy_trends(protocol: Protocol, scorecards: Mapping[str, Scorecard], path_without_suffix: Path) -> list[Path]:
    """Draw mean top-1 per config, one line a subset and a thick black one for the full data, as SVG and PNG.

    Error bars are standard deviations over seeds. The same input gives the same SVG.

    Args:
        scorecards: of the protocol, by the name shown beside the line; drawn in this order.
        path_without_suffix: ``.svg`` and ``.png`` are appended.

    Returns:
        The two files written.

    Raises:
        InputError: the protocol has no full-data reference, or a scorecard is of another protocol.
    """
    check_comparable(protocol, scorecards)
    with figure_style():
        height = max(4.6, 2.2 + 0.17 * len(scorecards))
        figure = new_figure(1.6 + 0.95 * len(protocol.configs) + 2.6, height)
        axes = figure.add_subplot()
        what = "accuracy" if protocol.metric == ACCURACY else protocol.metric.title
        title(figure, protocol, f"{what} of each config on the full data and on subsets")
        ends = _draw_lines(axes, protocol, scorecards)
        _label(axes, protocol)
        label_line_ends(axes, ends)
        return save(figure, path_without_suffix)


def _draw_lines(axes: Axes, protocol: Protocol, scorecards: Mapping[str, Scorecard]) -> list[LineEnd]:
    names = [config.name for config in protocol.configs]
    reference = protocol.reference.configs if protocol.reference else {}
    statistics = [reference[config].statistics for config in names]
    full = [mean for mean, _ in statistics], [std for _, std in statistics]
    shown = protocol.metric.shown
    ends = _draw(axes, *full, FULL_DATA, _FULL_STYLE | {"zorder": 2}, shown)
    lines = len(scorecards)
    for index, (name, scorecard) in enumerate(scorecards.items()):
        scores = {score.config: score for score in scorecard.configs}
        means = [scores[config].mean if config in scores else None for config in names]
        stds = [scores[config].std if config in scores else None for config in names]
        # Side by side, so that error bars of equal means do not hide each other.
        offset = 0.0 if lines == 1 else 0.3 * (index / (lines - 1) - 0.5)
        text = f"{name}  ρs {correlation(scorecard.spearman.value)}"
        ends += _draw(
            axes, means, stds, text, line_style(index) | {"linewidth": 1.3, "markersize": 5, "zorder": 3}, shown, offset
        )
    return ends


def _draw(
    axes: Axes,
    means: Sequence[float | None],
    stds: Sequence[float | None],
    text: str,
    style: dict[str, Any],
    shown: Callable[[float], float],
    offset: float = 0.0,
) -> list[LineEnd]:
    """One line, fractions in percent; a config without a mean leaves a gap, one without a spread has no error bar.

    Returns:
        Its end; nothing if it has no point.
    """
    heights = [float("nan") if mean is None else shown(mean) for mean in means]
    spreads = [0.0 if std is None else shown(std) for std in stds]
    positions = [index + offset for index in range(len(means))]
    axes.errorbar(positions, heights, yerr=spreads, capsize=2, elinewidth=1, **style)
    known = [index for index, mean in enumerate(means) if mean is not None]
    return [LineEnd(positions[known[-1]], heights[known[-1]], text, style, text == FULL_DATA)] if known else []


def _label(axes: Axes, protocol: Protocol) -> None:
    titles = [config.title for config in protocol.configs]
    axes.set_xticks(range(len(titles)), titles, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(titles) - 0.75)
    metric = protocol.metric
    label = f"{metric.title}, %" if metric.unit == "fraction" else metric.title
    label = "top-1 accuracy, %" if metric == ACCURACY else f"{label}, {metric.direction} is better"
    axes.set_ylabel(f"{label} (bars: std over seeds)")
    axes.margins(y=0.08)
    light_grid(axes, "y")
