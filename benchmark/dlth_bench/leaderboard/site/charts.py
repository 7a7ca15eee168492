"""Where the marks of the site's drawings lie, in SVG user units; the templates draw them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dlth_bench.spec.scorecard import ConfigScore, CorrelationScore

BAR_WIDTH, BAR_HEIGHT = 132, 18
_BAR_MARGIN = 5

TREND_WIDTH, TREND_HEIGHT = 860, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 96, 14, 74


@dataclass(frozen=True)
class Scale:
    """A straight map of values to positions, both rounded to a tenth of a unit so that pages stay small."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def correlation_scale(scores: Iterable[CorrelationScore]) -> Scale:
    """One scale for all bars of a table: to 1, and from 0 or, where some reach below, the next lower half."""
    ends = [value for score in scores for value in (score.value, score.low) if value is not None]
    low = min([0.0, *(math.floor(2 * value) / 2 for value in ends)])
    return Scale(max(-1.0, low), 1.0, _BAR_MARGIN, BAR_WIDTH - _BAR_MARGIN)


@dataclass(frozen=True)
class Point:
    """A config's accuracy: its place, and the ends of its bar (mean ± std), which fall together without a std."""

    x: float
    y: float
    top: float
    bottom: float


@dataclass(frozen=True)
class TrendChart:
    """Accuracy over configs, of a subset and of the full data.

    Attributes:
        ticks: position and text of each line of the accuracy axis.
        labels: position of each config and its title in lines.
        full, subset: the points of each line; None leaves a gap.
    """

    ticks: tuple[tuple[float, str], ...]
    labels: tuple[tuple[float, tuple[str, ...]], ...]
    full: tuple[Point | None, ...]
    subset: tuple[Point | None, ...]
    left: float = _LEFT
    right: float = TREND_WIDTH - _RIGHT
    bottom: float = TREND_HEIGHT - _BOTTOM


def trend_chart(scores: Sequence[ConfigScore]) -> TrendChart:
    """The accuracy trend of a scorecard next to the full data's."""
    full = [(score.reference_mean, score.reference_std) for score in scores]
    subset = [(score.mean, score.std) for score in scores]
    spans = [(mean - (std or 0), mean + (std or 0)) for mean, std in full + subset if mean is not None]
    low = max(0, math.floor(10 * min(start for start, _ in spans)))
    high = max(low + 1, min(10, math.ceil(10 * max(end for _, end in spans))))
    height = Scale(low / 10, high / 10, TREND_HEIGHT - _BOTTOM, _TOP)
    step = (TREND_WIDTH - _LEFT - _RIGHT) / len(scores)
    places = [round(_LEFT + step * (index + 0.5), 1) for index in range(len(scores))]
    every = 1 if high - low <= 6 else 2
    return TrendChart(
        ticks=tuple((height.at(tenth / 10), str(10 * tenth)) for tenth in range(low, high + 1, every)),
        labels=tuple(
            (x, tuple(part.strip() for part in score.title.split(","))) for x, score in zip(places, scores, strict=True)
        ),
        full=_points(places, full, height),
        subset=_points(places, subset, height),
    )


def path(points: Sequence[Point | None]) -> str:
    """The line through the points as SVG path data; it is broken where one is missing."""
    commands, pen_down = [], False
    for point in points:
        if point is not None:
            commands.append(f"{'L' if pen_down else 'M'}{point.x} {point.y}")
        pen_down = point is not None
    return "".join(commands)


def _points(
    places: Sequence[float], values: Sequence[tuple[float | None, float | None]], height: Scale
) -> tuple[Point | None, ...]:
    return tuple(
        None
        if mean is None
        else Point(x, height.at(mean), height.at(min(1.0, mean + (std or 0))), height.at(max(0.0, mean - (std or 0))))
        for x, (mean, std) in zip(places, values, strict=True)
    )
