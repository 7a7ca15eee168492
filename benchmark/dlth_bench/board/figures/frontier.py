"""The frontier: what random subsets of each size and length of training reach, against what that costs."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlth_bench.board.cells import TRUSTED, CellScore, cheapest_safe, frontier, rows_by_cell
from dlth_bench.board.figures import drawing
from dlth_bench.board.figures.drawing import Material
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import correlation


def size_and_length_frontier(material: Material) -> Figure:
    """Mean ρs of the random subsets of each cell against cost on a logarithmic axis, a line a length of training.

    Bars are 95 % intervals of the mean over subsets, ticks the lowest and highest of one subset; crosses are the
    subsets of other policies.

    Raises:
        InputError: no cell has a random subset with a known cost.
    """
    scores = [score for score in frontier(material.rows) if score.cost is not None]
    if not scores:
        raise InputError(f"no random subset of {material.protocol.key} has both a rank and a known cost")
    figure = drawing.new_figure(7.6, 4.6, f"{material.protocol.key}: how small and how short is safe")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    exponents = sorted({(score.cell.unit, score.cell.exponent) for score in scores})
    for index, (unit, exponent) in enumerate(exponents):
        line = [score for score in scores if (score.cell.unit, score.cell.exponent) == (unit, exponent)]
        _line(axes, sorted(line, key=lambda score: score.cell.size), index)
    _policies(axes, material, {score.cell: score for score in scores})
    axes.axhline(TRUSTED, color="0.4", linewidth=0.8, linestyle=(0, (1, 1.2)), label=f"ρs {correlation(TRUSTED)}")
    ceiling = next((score.ceiling for score in scores if score.ceiling is not None), None)
    if ceiling is not None:
        style: dict[str, Any] = {"color": "black", "linewidth": 1.2, "linestyle": (0, (4, 2)), "zorder": 1}
        axes.axhline(ceiling, label=f"noise ceiling {correlation(ceiling)}", **style)
    axes.set_xlabel("cost, % of the full data's FLOPs (log scale)")
    axes.set_ylabel("Spearman ρs, mean of random subsets")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:g}"[0] in "25" else "")
    drawing.light_grid(axes, "both")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _line(axes: Axes, scores: list[CellScore], index: int) -> None:
    """The cells of one length of training, from small to large subsets."""
    style = drawing.line_style(index)
    costs = [100 * score.cost for score in scores if score.cost is not None]
    unit = "classes" if scores[0].cell.unit == "class" else "samples"
    label = f"{unit}, {scores[0].cell.length}"
    axes.plot(costs, [score.spearman for score in scores], markersize=6, zorder=4, label=label, **style)
    safe = cheapest_safe(scores)
    for cost, score in zip(costs, scores, strict=True):
        if score.low is not None and score.high is not None:
            axes.plot([cost, cost], [score.low, score.high], color=style["color"], linewidth=2, zorder=3)
        axes.plot([cost], [score.worst], marker="_", color=style["color"], markersize=8, linestyle="none", zorder=3)
        axes.annotate(
            str(score.cell.size),
            (cost, score.spearman),
            (5, -10),
            textcoords="offset points",
            fontsize=8,
            fontweight="bold" if score is safe else "normal",
            color=style["color"],
        )


def _policies(axes: Axes, material: Material, scores: dict[object, CellScore]) -> None:
    """The subsets of other policies, each at the cost of its cell's random ones."""
    costs, values = [], []
    for cell, rows in rows_by_cell(material.rows).items():
        score = scores.get(cell)
        for row in rows:
            value = row.submission.scorecard.spearman.value
            if score is None or score.cost is None or row.is_random or not row.rank or value is None:
                continue
            costs.append(100 * score.cost)
            values.append(value)
    if costs:
        axes.plot(costs, values, "x", color="0.35", markersize=5, zorder=2, label="other policies")
