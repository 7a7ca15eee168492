"""What configs are ranked by: a number's name, its unit, which way is better, and how it is written."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dlth_bench.util.model import Frozen
from dlth_bench.util.text import percent, points

MetricUnit = Literal["fraction", "events", "ratio"]

_RANGES: dict[MetricUnit, tuple[float, float]] = {
    "fraction": (0.0, 1.0),
    "events": (0.0, math.inf),
    "ratio": (-math.inf, math.inf),
}


class Metric(Frozen):
    """A number that a run leaves."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="As results call it.")]
    unit: Annotated[
        MetricUnit,
        Field(description="fraction: 0 to 1, shown in percent; events: a mean count, 0 or more; ratio: any number."),
    ]
    direction: Annotated[Literal["higher", "lower"], Field(description="Which way is better.")]

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest possible value."""
        return _RANGES[self.unit]

    @property
    def title(self) -> str:
        """The name as a reader meets it: ``top-1`` for accuracy, ``forgetting events``."""
        return "top-1" if self.name == "accuracy" else self.name.replace("-", " ")

    def holds(self, value: float) -> bool:
        """Whether the number can be a value; nan and infinities cannot."""
        low, high = self.range
        return math.isfinite(value) and low <= value <= high

    def oriented(self, value: float) -> float:
        """The value with its sign such that higher is better."""
        return value if self.direction == "higher" else -value

    def shown(self, value: float) -> float:
        """The value as it is printed: percent of a fraction, else as it is."""
        return 100 * value if self.unit == "fraction" else value

    def problem(self, value: float) -> str:
        """Why the number cannot be a value; empty if it can."""
        if self.holds(value):
            return ""
        low, high = self.range
        expected = {
            "fraction": f"a number from {low:g} to {high:g}",
            "events": f"a number of {low:g} or more",
            "ratio": "a finite number",
        }[self.unit]
        return f"{self.name} {value:g}, not {expected}"


ACCURACY = Metric(name="accuracy", unit="fraction", direction="higher")
"""Top-1 on the validation samples after the last epoch, which protocols rank by unless they name another metric."""


class MeasuredValue(Metric):
    """A metric and its value in one run."""

    value: float

    @model_validator(mode="after")
    def _in_range(self) -> MeasuredValue:
        problem = self.problem(self.value)
        if problem:
            raise ValueError(problem)
        return self

    @property
    def metric(self) -> Metric:
        return Metric(name=self.name, unit=self.unit, direction=self.direction)


Series = Annotated[tuple[float, ...], Field(max_length=100_000)]


class Measured(Frozen):
    """What one measurement of a run found, beside its accuracy."""

    kind: Annotated[str, Field(max_length=40, description="Which measurement: the kind of its spec.")]
    values: Annotated[tuple[MeasuredValue, ...], Field(max_length=100)]
    series: Annotated[
        dict[str, Series],
        Field(max_length=20, description="What the values were computed from, by name."),
    ] = Field(default_factory=dict)
    notes: Annotated[
        tuple[Annotated[str, Field(max_length=300)], ...],
        Field(max_length=20, description="What a reader must know before believing the values."),
    ] = ()


def amount(mean: float | None, std: float | None = None, metric: Metric = ACCURACY) -> str:
    """``61.3 ± 0.4``: a value and its spread, fractions in percent, others with three digits."""
    if metric.unit == "fraction" or mean is None:
        return percent(mean, std)
    return f"{mean:.3g}" if std is None else f"{mean:.3g} ± {std:.2g}"


def difference(gap: float, noise: float | None = None, metric: Metric = ACCURACY) -> str:
    """``+3.1 ± 0.9``: a difference of values and half its interval, of fractions in points."""
    if metric.unit == "fraction":
        return points(gap, noise)
    return f"{gap:+.3g}" if noise is None else f"{gap:+.3g} ± {noise:.2g}"


def size(gap: float, metric: Metric = ACCURACY) -> str:
    """``2.3 points``, ``.4 events``: how large a difference is."""
    if metric.unit == "fraction":
        return f"{100 * gap:.1f} points"
    return f"{gap:.3g} events" if metric.unit == "events" else f"{gap:.3g}"


def column_title(metric: Metric) -> str:
    """``top-1 %``, ``barrier %``, ``forgetting events``: the metric over a column of its values."""
    return f"{metric.title} %" if metric.unit == "fraction" else metric.title


def explained(metric: Metric) -> str:
    """``barrier, a fraction (shown in %), lower is better``."""
    unit = {"fraction": "a fraction (shown in %)", "events": "events a sample", "ratio": "a ratio"}[metric.unit]
    return f"{metric.title}, {unit}, {metric.direction} is better"
