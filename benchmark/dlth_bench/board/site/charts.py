"""Where the marks of the site's drawings lie, in SVG user units; the templates draw them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dlth_bench.protocols.measurements import ACCURACY, Metric
from dlth_bench.scoring.scorecard import ConfigScore, CorrelationScore

BAR_WIDTH, BAR_HEIGHT = 132, 18
_BAR_MARGIN = 5

TREND_WIDTH, TREND_HEIGHT = 860, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 96, 14, 74
_TEXT_HEIGHT = 14


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
class ChartPoint:
    """A config's value: its place, and the ends of its bar (mean ± std), which fall together without a std."""

    x: float
    y: float
    top: float
    bottom: float


@dataclass(frozen=True)
class TrendChart:
    """A metric over configs, of a subset and of the full data.

    Attributes:
        ticks: position and text of each line of the value axis.
        labels: position of each config and its title in lines.
        full, subset: the points of each line; None leaves a gap.
        ends: where the names of the two lines stand, apart even if the lines end together; None without a point.
    """

    ticks: tuple[tuple[float, str], ...]
    labels: tuple[tuple[float, tuple[str, ...]], ...]
    full: tuple[ChartPoint | None, ...]
    subset: tuple[ChartPoint | None, ...]
    ends: tuple[ChartPoint | None, ChartPoint | None]
    left: float = _LEFT
    right: float = TREND_WIDTH - _RIGHT
    bottom: float = TREND_HEIGHT - _BOTTOM


def trend_chart(scores: Sequence[ConfigScore], metric: Metric = ACCURACY) -> TrendChart:
    """The trend of a scorecard's metric next to the full data's."""
    full = [(score.reference_mean, score.reference_std) for score in scores]
    subset = [(score.mean, score.std) for score in scores]
    spans = [(mean - (std or 0), mean + (std or 0)) for mean, std in full + subset if mean is not None]
    ticks = _ticks(min(start for start, _ in spans), max(end for _, end in spans), metric)
    height = Scale(ticks[0], ticks[-1], TREND_HEIGHT - _BOTTOM, _TOP)
    step = (TREND_WIDTH - _LEFT - _RIGHT) / len(scores)
    places = [round(_LEFT + step * (index + 0.5), 1) for index in range(len(scores))]
    every = 1 if len(ticks) <= 7 else 2
    full_points, subset_points = _points(places, full, height, metric), _points(places, subset, height, metric)
    return TrendChart(
        ticks=tuple((height.at(tick), f"{metric.shown(tick):g}") for tick in ticks[::every]),
        labels=tuple(
            (x, tuple(part.strip() for part in score.title.split(","))) for x, score in zip(places, scores, strict=True)
        ),
        full=full_points,
        subset=subset_points,
        ends=_apart(_last(full_points), _last(subset_points)),
    )


def _ticks(low: float, high: float, metric: Metric) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``, within the metric's range; tenths for fractions."""
    least, most = metric.range
    a_unit = 10.0  # ticks from one whole number to the next
    if metric.unit != "fraction":
        power = 10.0 ** math.floor(math.log10(max(high - low, 1e-9) / 5))
        a_unit = 1 / next(power * factor for factor in (1, 2, 5, 10) if 5 * power * factor >= high - low)
    first = int(max(math.floor(a_unit * low), a_unit * least))
    last = int(max(first + 1, min(a_unit * most, math.ceil(a_unit * high))))
    return [round(tick / a_unit, 12) for tick in range(first, last + 1)]


def path(points: Sequence[ChartPoint | None]) -> str:
    """The line through the points as SVG path data; it is broken where one is missing."""
    commands, pen_down = [], False
    for point in points:
        if point is not None:
            commands.append(f"{'L' if pen_down else 'M'}{point.x} {point.y}")
        pen_down = point is not None
    return "".join(commands)


def _last(points: Sequence[ChartPoint | None]) -> ChartPoint | None:
    return next((point for point in reversed(points) if point is not None), None)


def _apart(one: ChartPoint | None, other: ChartPoint | None) -> tuple[ChartPoint | None, ChartPoint | None]:
    """The two, moved up and down where a line of text at each would cover the other."""
    if one is None or other is None or one.x != other.x or abs(one.y - other.y) >= _TEXT_HEIGHT:
        return one, other
    middle, half = (one.y + other.y) / 2, _TEXT_HEIGHT / 2 if one.y <= other.y else -_TEXT_HEIGHT / 2
    return replace(one, y=round(middle - half, 1)), replace(other, y=round(middle + half, 1))


def _points(
    places: Sequence[float], values: Sequence[tuple[float | None, float | None]], height: Scale, metric: Metric
) -> tuple[ChartPoint | None, ...]:
    least, most = metric.range
    return tuple(
        None
        if mean is None
        else ChartPoint(
            x, height.at(mean), height.at(min(most, mean + (std or 0))), height.at(max(least, mean - (std or 0)))
        )
        for x, (mean, std) in zip(places, values, strict=True)
    )
