"""Appendix F.1 of the DLTH paper: a simulated student's error over rules of training, on full data and on subsets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlth_bench.board.figures import drawing
from dlth_bench.paper.perceptron import Line, Rule, Setting
from dlth_bench.util.text import correlation


def perceptron_figure(setting: Setting, rules: Sequence[Rule], lines: Sequence[Line], seeds: int) -> Figure:
    """The error of each rule: subsets of small margins on the left, random ones on the right.

    Marks with bars are simulated means with their std over seeds, crosses the analytic values.

    Args:
        lines: the full data's first.
        seeds: how many the means are over.
    """
    full, subsets = lines[0], lines[1:]
    title = (
        f"Teacher-student perceptron: {setting.dimensions} dimensions, {setting.alpha:g} samples a dimension, "
        f"probe at {math.degrees(setting.angle):g}°, {seeds} seeds (×: analytic)"
    )
    figure = drawing.new_figure(13.0, 4.8, title)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, ("margin", "random"), strict=True):
        _panel(axes, rules, full, [line for line in subsets if line.name.startswith(kind)])
    panels[0].set_ylabel("error on new samples, %")
    return figure


def _panel(axes: Axes, rules: Sequence[Rule], full: Line, subsets: Sequence[Line]) -> None:
    ends = []
    for index, line in enumerate([full, *subsets]):
        whole = line is full
        full_style: dict[str, Any] = {"color": "black", "marker": "o", "linewidth": 3}
        style = full_style if whole else drawing.line_style(index - 1)
        heights = [100 * value for value in line.mean]
        spreads = [0.0 if math.isnan(value) else 100 * value for value in line.std]
        axes.errorbar(range(len(heights)), heights, yerr=spreads, capsize=2, elinewidth=1, **style)
        known = [(place, 100 * value) for place, value in enumerate(line.analytic) if value is not None]
        colour = style["color"]
        spots, levels = [place for place, _ in known], [height for _, height in known]
        axes.plot(spots, levels, linestyle="none", marker="x", markersize=9, color=colour, zorder=4)
        text = drawing.FULL_DATA if whole else f"{line.name}  ρs {correlation(line.spearman)}"
        ends.append(drawing.LineEnd(len(heights) - 1, heights[-1], text, style, whole))
    axes.set_xticks(range(len(rules)), [rule.name for rule in rules], rotation=35, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.3, len(rules) - 0.7)
    drawing.light_grid(axes, "y")
    drawing.label_line_ends(axes, ends)
