"""Fig. 7 of the DLTH paper: several indicators of a few subsets at one look, next to random subsets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from dlth_bench.board.figures import drawing
from dlth_bench.board.figures.drawing import Material
from dlth_bench.scoring.scorecard import Scorecard


def _pairs(card: Scorecard) -> float | None:
    decision = card.decision
    return None if decision is None or not decision.pairs_resolved else decision.pairs_agreed / decision.pairs_resolved


def _pick(card: Scorecard) -> float | None:
    """1 for the full data's best config, 0 for its worst, in between by full-data accuracy."""
    means = [score.reference_mean for score in card.configs if score.mean is not None]
    if card.decision is None or max(means) == min(means):
        return None
    return 1 - card.decision.regret / (max(means) - min(means))


def _without_one(card: Scorecard) -> float | None:
    known = [value for value in card.leave_one_out.values() if value is not None]
    return min(known) if known else None


INDICATORS: dict[str, Callable[[Scorecard], float | None]] = {
    "Spearman ρs": lambda card: card.spearman.value,
    "Pearson ρp": lambda card: card.pearson.value,
    "Kendall τ-b": lambda card: card.kendall.value,
    "lowest ρs without\none config": _without_one,
    "resolved pairs\nin order": _pairs,
    "accuracy kept\nby the pick": _pick,
    "images saved": lambda card: None if card.cost is None else card.cost.images_saved,
}
"""What the spokes show, 1 being best; None where it is not known. Values below 0 are drawn at the centre."""


def indicator_radar(material: Material) -> Figure:
    """One polygon a subset over the indicators, and the mean and range of random subsets of their sizes in grey."""
    # Luck depends on the size, and an incomplete grid has no score to average.
    sizes = {row.submission.metadata.classes for row in material.rows}
    ranked = [row.submission for row in material.random if row.rank is not None]
    random = [stored.scorecard for stored in ranked if stored.metadata.classes in sizes]
    title = f"{material.protocol.key}: indicators of subsets: the rim, 1, is best; the centre is 0 or less"
    figure = drawing.new_figure(9, 5.2, title)
    axes: Any = figure.add_subplot(projection="polar")  # polar axes have more methods than their declared type
    angles = [2 * math.pi * index / len(INDICATORS) for index in range(len(INDICATORS))]
    if random:
        _random(axes, angles, random)
    for index, (name, card) in enumerate(material.scorecards.items()):
        style = drawing.line_style(index)
        values = [_spoke(measure(card)) for measure in INDICATORS.values()]
        # Each smaller than the one before, so that equal values show as nested marks.
        size = max(3.0, 9 - 1.8 * index)
        axes.plot(*_closed(angles, values), linewidth=1.6, markersize=size, label=name, **style)
    _spokes(axes, angles)
    figure.legend(loc="outside right upper", frameon=False, handlelength=4.5)
    return figure


def _random(axes: Any, angles: Sequence[float], random: Sequence[Scorecard]) -> None:
    columns = [
        [value for card in random if (value := measure(card)) is not None] or [math.nan]
        for measure in INDICATORS.values()
    ]
    lows, highs, means = (
        _closed(angles, [_spoke(summary(column)) for column in columns])[1] for summary in (min, max, fmean)
    )
    around = [*angles, angles[0]]
    axes.fill_between(around, lows, highs, color="0.88", linewidth=0, label="random: range")
    axes.plot(around, means, color=drawing.RANDOM, linewidth=2.5, label=f"random: mean of {len(random)}")


def _spoke(value: float | None) -> float:
    return math.nan if value is None or math.isnan(value) else max(0.0, value)


def _closed(angles: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    return [*angles, angles[0]], [*values, values[0]]


def _spokes(axes: Any, angles: Sequence[float]) -> None:
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.25, 0.5, 0.75, 1], [".25", ".5", ".75", "1"], fontsize=7, color="0.35")
    axes.set_rlabel_position(math.degrees(angles[1]) / 2)
    axes.set_xticks(angles, list(INDICATORS))
    axes.tick_params(axis="x", pad=2)
    for label, angle in zip(axes.get_xticklabels(), angles, strict=True):
        label.set_ha("center" if abs(math.sin(angle)) < 0.1 else "left" if math.sin(angle) > 0 else "right")
    axes.grid(color="0.85", linewidth=0.8)
    axes.spines["polar"].set_color("0.7")
