"""ρ of every submission with its interval, next to the noise ceiling and to what a random order reaches."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlth_bench.board.figures import drawing
from dlth_bench.board.figures.drawing import Material
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, null_distribution
from dlth_bench.scoring.scorecard import CorrelationScore
from dlth_bench.util.text import correlation, interval


def correlation_forest(material: Material) -> Figure:
    """ρs and ρp with 95 % intervals over seeds, one row a submission; random subsets are hollow grey squares."""
    protocol, cards, random = material.protocol, material.scorecards, material.random_names
    longest = max(map(len, cards), default=0)
    what = "correlation with the full data, 95 % intervals over seeds (hollow grey: random subsets)"
    width, height = 8.4 + 0.08 * longest, 1.9 + 0.27 * max(1, len(cards))
    figure = drawing.new_figure(width, height, f"{protocol.key}: {what}")
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, "Spearman ρs", {name: card.spearman for name, card in cards.items()}, random)
    _panel(right, "Pearson ρp", {name: card.pearson for name, card in cards.items()}, random)
    _shade_chance(left, protocol)
    ranks = ["–" if row.rank is None else str(row.rank) for row in material.rows]
    left.set_yticks(range(len(ranks)), [f"{name}  {rank}" for name, rank in zip(cards, ranks, strict=True)])
    left.set_ylim(len(ranks) - 0.4, -0.6)
    left.set_ylabel("submission, rank")
    return figure


def _panel(axes: Axes, label: str, scores: Mapping[str, CorrelationScore], random: frozenset[str]) -> None:
    """One correlation of all submissions; one that is not defined leaves a dash."""
    lows = [0.0]
    across = axes.get_yaxis_transform()
    for row, (name, score) in enumerate(scores.items()):
        told = f"{correlation(score.value)}  {interval(score.low, score.high)}" if score.value is not None else "–"
        axes.text(1.02, row, told, transform=across, va="center", fontsize=7.5)
        if score.value is None:
            continue
        low, _, high = drawing.interval_ends(score)
        lows.append(low)
        chance = name in random
        colour = drawing.RANDOM if chance else drawing.BLUE
        axes.plot([low, high], [row, row], color=colour, linewidth=2, linestyle="solid", solid_capstyle="butt")
        face = "white" if chance else colour
        axes.plot([score.value], [row], "s" if chance else "o", color=colour, markersize=6, markerfacecolor=face)
    axes.set_xlabel(label)
    axes.set_xlim(min(lows), 1.04)
    drawing.light_grid(axes, "x")
    _mark_ceiling(axes, scores)


def _mark_ceiling(axes: Axes, scores: Mapping[str, CorrelationScore]) -> None:
    """A line at the mean noise ceiling: it depends on a submission's seeds, though rarely visibly."""
    ceilings = [score.ceiling for score in scores.values() if score.ceiling is not None]
    if not ceilings:
        return
    ceiling = sum(ceilings) / len(ceilings)
    axes.axvline(ceiling, color="black", linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    axes.annotate(
        f"noise ceiling {correlation(ceiling)}",
        (ceiling, 1),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )


def _shade_chance(axes: Axes, protocol: Protocol) -> None:
    """Shade what 19 of 20 random orders of the configs stay below: ρs there is no evidence of a trend."""
    if len(protocol.configs) < MINIMUM_CONFIGS:
        return
    order = np.arange(len(protocol.configs), dtype=np.float64)
    limit = float(np.quantile(null_distribution(order, order, "spearman", samples=20_000), 0.95))
    axes.axvspan(axes.get_xlim()[0], limit, color="0.93", zorder=0, linewidth=0)
    axes.annotate(
        "grey: 95 % of random orders",
        (0, 1),
        (2, 3),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8,
        color="0.35",
    )
