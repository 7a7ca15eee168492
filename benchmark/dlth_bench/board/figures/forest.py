"""ρ of every submission with its interval, next to the noise ceiling and to what a random order reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from dlth_bench.board.figures.style import (
    BLUE,
    RANDOM,
    check_comparable,
    figure_style,
    light_grid,
    new_figure,
    save,
    title,
)
from dlth_bench.board.row import Row
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.scoring.correlation import MINIMUM_CONFIGS, null_distribution
from dlth_bench.scoring.scorecard import CorrelationScore
from dlth_bench.util.text import correlation, interval

_TITLE = "correlation with the full data, 95 % intervals over seeds (hollow grey: random subsets)"


def correlation_forest(
    protocol: Protocol, rows: Sequence[Row], random: frozenset[str], path_without_suffix: Path
) -> list[Path]:
    """Draw ρs and ρp with 95 % intervals over seeds, one row a submission, as SVG and PNG.

    Args:
        rows: of the protocol's board, from top to bottom.
        random: names of the submissions that are random subsets; drawn as hollow grey squares.
        path_without_suffix: ``.svg`` and ``.png`` are appended.

    Raises:
        InputError: the protocol has no full-data reference, or a row is of another protocol.
    """
    cards = {row.submission.metadata.name: row.submission.scorecard for row in rows}
    check_comparable(protocol, cards)
    with figure_style():
        longest = max(map(len, cards), default=0)
        figure = new_figure(8.4 + 0.08 * longest, 1.9 + 0.27 * max(1, len(rows)))
        left, right = figure.subplots(1, 2, sharey=True)
        title(figure, protocol, _TITLE)
        _panel(left, "Spearman ρs", {name: card.spearman for name, card in cards.items()}, random)
        _panel(right, "Pearson ρp", {name: card.pearson for name, card in cards.items()}, random)
        _shade_chance(left, protocol)
        ranks = ["–" if row.rank is None else str(row.rank) for row in rows]
        left.set_yticks(range(len(rows)), [f"{name}  {rank}" for name, rank in zip(cards, ranks, strict=True)])
        left.set_ylim(len(rows) - 0.4, -0.6)
        left.set_ylabel("submission, rank")
        return save(figure, path_without_suffix)


def _panel(axes: Axes, label: str, scores: Mapping[str, CorrelationScore], random: frozenset[str]) -> None:
    """One correlation of all submissions; one that is not defined leaves a dash."""
    lows = [0.0]
    across = axes.get_yaxis_transform()
    for row, (name, score) in enumerate(scores.items()):
        told = f"{correlation(score.value)}  {interval(score.low, score.high)}" if score.value is not None else "–"
        axes.text(1.02, row, told, transform=across, va="center", fontsize=7.5)
        if score.value is None:
            continue
        low, high = _ends(score)
        lows.append(low)
        chance = name in random
        colour = RANDOM if chance else BLUE
        axes.plot([low, high], [row, row], color=colour, linewidth=2, linestyle="solid", solid_capstyle="butt")
        face = "white" if chance else colour
        axes.plot([score.value], [row], "s" if chance else "o", color=colour, markersize=6, markerfacecolor=face)
    axes.set_xlabel(label)
    axes.set_xlim(min(lows), 1.04)
    light_grid(axes, "x")
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


def _ends(score: CorrelationScore) -> tuple[float, float]:
    value = score.value if score.value is not None else float("nan")
    return (value if score.low is None else score.low, value if score.high is None else score.high)
