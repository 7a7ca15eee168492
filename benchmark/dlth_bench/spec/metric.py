"""What configs are ranked by: a number's name, its unit, and which way is better."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dlth_bench.spec.frozen import Frozen

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
