"""Accuracy over the configs of a protocol: how alike the trends of subsets and full data are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlth_bench.board.figures import drawing
from dlth_bench.board.figures.drawing import Material
from dlth_bench.protocols.measurements import ACCURACY, Metric
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.util.text import correlation

_FULL_STYLE: dict[str, Any] = {"color": "black", "marker": "o", "linewidth": 3, "markersize": 6, "zorder": 2}


def accuracy_trends(material: Material) -> Figure:
    """The mean of each config with its standard deviation over seeds, a line a subset and a thick one for all data."""
    protocol, scorecards = material.protocol, material.scorecards
    height = max(4.6, 2.2 + 0.17 * len(scorecards))
    what = "accuracy" if protocol.metric == ACCURACY else protocol.metric.title
    title = f"{protocol.key}: {what} of each config on the full data and on subsets"
    figure = drawing.new_figure(1.6 + 0.95 * len(protocol.configs) + 2.6, height, title)
    axes = figure.add_subplot()
    ends = _draw_lines(axes, protocol, scorecards)
    _label(axes, protocol)
    drawing.label_line_ends(axes, ends)
    return figure


def _draw_lines(axes: Axes, protocol: Protocol, scorecards: Mapping[str, Scorecard]) -> list[drawing.LineEnd]:
    names = [config.name for config in protocol.configs]
    reference = protocol.reference.configs if protocol.reference else {}
    full = [reference[config].statistics for config in names]
    ends = _draw(axes, protocol.metric, full, drawing.FULL_DATA, _FULL_STYLE)
    lines = len(scorecards)
    for index, (name, scorecard) in enumerate(scorecards.items()):
        scores = {score.config: (score.mean, score.std) for score in scorecard.configs}
        statistics = [scores.get(config, (None, None)) for config in names]
        # Side by side, so that error bars of equal means do not hide each other.
        offset = 0.0 if lines == 1 else 0.3 * (index / (lines - 1) - 0.5)
        text = f"{name}  ρs {correlation(scorecard.spearman.value)}"
        style = drawing.line_style(index) | {"linewidth": 1.3, "markersize": 5, "zorder": 3}
        ends += _draw(axes, protocol.metric, statistics, text, style, offset)
    return ends


def _draw(
    axes: Axes,
    metric: Metric,
    statistics: Sequence[tuple[float | None, float | None]],
    text: str,
    style: dict[str, Any],
    offset: float = 0.0,
) -> list[drawing.LineEnd]:
    """One line, fractions in percent; a config without a mean leaves a gap, one without a spread has no error bar.

    Returns:
        Its end; nothing if it has no point.
    """
    positions = [index + offset for index in range(len(statistics))]
    heights = [math.nan if mean is None else metric.shown(mean) for mean, _ in statistics]
    spreads = [0.0 if std is None else metric.shown(std) for _, std in statistics]
    axes.errorbar(positions, heights, yerr=spreads, capsize=2, elinewidth=1, **style)
    known = [end for end in zip(positions, heights, strict=True) if not math.isnan(end[1])]
    return [drawing.LineEnd(*known[-1], text, style, text == drawing.FULL_DATA)] if known else []


def _label(axes: Axes, protocol: Protocol) -> None:
    titles = [config.title for config in protocol.configs]
    axes.set_xticks(range(len(titles)), titles, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.4, len(titles) - 0.75)
    metric = protocol.metric
    other = f"{drawing.metric_label(metric)}, {metric.direction} is better"
    label = "top-1 accuracy, %" if metric == ACCURACY else other
    axes.set_ylabel(f"{label} (bars: std over seeds)")
    axes.margins(y=0.08)
    drawing.light_grid(axes, "y")
