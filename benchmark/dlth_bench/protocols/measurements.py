"""What a config measures beside accuracy, and the metric that configs are ranked by: its unit and which way is better.

The measurements are those of the paper on training stability (its sections 4 to 6). Each names the metrics that it
leaves in the result, by one of which a protocol may rank its configs, and says whether it takes training of its own
(``trains``).
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dlth_bench.datasets.dataset import ImagesPerClass, Slug
from dlth_bench.protocols.recipe import TrainSpec
from dlth_bench.protocols.tickets import RewindPoint
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

    name: Slug = Field(description="As results call it.")
    unit: MetricUnit = Field(
        description="fraction: 0 to 1, shown in percent; events: a mean count, 0 or more; ratio: any number."
    )
    direction: Literal["higher", "lower"] = Field(description="Which way is better.")

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

    kind: str = Field(max_length=40, description="Which measurement: the kind of its spec.")
    values: tuple[MeasuredValue, ...] = Field(max_length=100)
    series: dict[str, Series] = Field(
        default_factory=dict, max_length=20, description="What the values were computed from, by name."
    )
    notes: tuple[Annotated[str, Field(max_length=300)], ...] = Field(
        (), max_length=20, description="What a reader must know before believing the values."
    )


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


def _higher(name: str) -> Metric:
    return Metric(name=name, unit="fraction", direction="higher")


def _lower(name: str) -> Metric:
    return Metric(name=name, unit="fraction", direction="lower")


CalibrationSamples = Annotated[
    int | None, Field(gt=1, description="Training samples that norms are recalibrated on; None: all.")
]
Points = Annotated[int, Field(ge=3, le=1000, description="Places on the line, both ends included, evenly spaced.")]


class BarrierSpec(Frozen):
    """How far the error rises on the straight line between two trainings from one point (Frankle et al. 2020).

    The two share weights (and a ticket's mask) at the start and differ in order and augmentation from there on. The
    barrier is the highest error on the line less the mean error of its ends.
    """

    kind: Literal["barrier"]
    trains: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (_lower("barrier"), _lower("recalibrated-barrier"))
    """With batch-norm statistics on the line as well, and with such that are computed anew at each place."""
    start: RewindPoint | None = Field(
        None, description="Where the two part; None: at a ticket's rewind point, else at the initial weights."
    )
    points: Points = 30
    calibration_samples: CalibrationSamples = None


class FirstStablePointSpec(Frozen):
    """The earliest point from which two trainings end up linearly connected, by binary search.

    A point is stable if the barrier from there on is below the threshold. The search takes for granted that what is
    stable stays stable; the result has all that was probed, and says where the probes contradict it.
    """

    kind: Literal["first_stable_point"]
    trains: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (_lower("first-stable-point"),)
    """As a fraction of training; 0: the initial weights are stable."""
    threshold: float = Field(0.02, gt=0, lt=1, description="Barriers below it are none.")
    parts: int = Field(ge=2, le=100_000, description="Equal parts of training that the point is told in.")
    points: Points = 30
    recalibrated: bool = Field(False, description="Whether the barrier is that of recalibrated norms.")
    calibration_samples: CalibrationSamples = None


class ForgettingSpec(Frozen):
    """How often training samples are forgotten: right at one presentation, wrong at the next (Toneva et al. 2019).

    Read from the training's own forward pass, so of augmented samples.
    """

    kind: Literal["forgetting"]
    trains: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(name="forgetting-events", unit="events", direction="lower"),
        _higher("unforgettable-share"),
        _lower("never-learned-share"),
    )
    """Mean events of a sample (0 of one that was never right), and shares of samples."""


class ConvergenceSpec(Frozen):
    """How fast accuracy approaches its last value: the area under its curve from the initial one to that, over epochs.

    Measured on unaugmented samples before the first and after each epoch; see the stability paper, table 1.
    """

    kind: Literal["convergence"]
    trains: ClassVar[bool] = False
    splits: tuple[Literal["train", "val"], ...] = Field(
        ("val",), min_length=1, description="Samples that accuracies are of."
    )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(
            Metric(name=f"{split}-convergence-auc", unit="ratio", direction="higher")
            for split in dict.fromkeys(self.splits)
        )


class FewShotSpec(Frozen):
    """Accuracy of the ticket trained from its rewind point on a few samples of each class."""

    kind: Literal["few_shot"]
    trains: ClassVar[bool] = True
    per_class: int = Field(gt=0, description="Training samples of each class, fewer where there are fewer.")
    train: TrainSpec = Field(description="The batch is smaller where there are fewer samples.")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (_higher(f"few-shot-{self.per_class}-accuracy"),)


class TicketProbeSpec(Frozen):
    """Accuracy of linear classifiers on the features of the frozen ticket: masked weights of the rewind point.

    The features of a residual block are means over places; the classifier comes in place of all that follows.
    """

    kind: Literal["ticket_probe"]
    trains: ClassVar[bool] = True
    blocks: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        min_length=1, description="Residual blocks, the first being 1."
    )
    train: TrainSpec
    recalibrated: bool = Field(
        True, description="Whether batch norms take the statistics of the probe's training samples."
    )
    batch_norm: bool = Field(False, description="Normalise features by an affine-free batch norm.")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(_higher(f"block-{block}-probe-accuracy") for block in self.blocks)


class TransferSpec(Frozen):
    """Accuracy of a new dense classifier on the pooled features of the frozen ticket, on another dataset."""

    kind: Literal["transfer"]
    trains: ClassVar[bool] = True
    dataset: Slug
    classes: tuple[str, ...] = Field((), description="Of the dataset, in its order; none given: all.")
    images_per_class: ImagesPerClass = None
    pixel_mean: tuple[float, ...] = Field(min_length=1, description="Subtracted from pixels in [0, 1].")
    pixel_std: tuple[float, ...] = Field(min_length=1, description="Divides pixels after that.")
    train: TrainSpec
    recalibrated: bool = Field(
        True, description="Whether batch norms take the statistics of the other dataset's training samples."
    )
    batch_norm: bool = Field(False, description="Normalise features by an affine-free batch norm.")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (_higher(f"transfer-{self.dataset}-accuracy"),)

    @model_validator(mode="after")
    def _channels_agree(self) -> Self:
        if len(self.pixel_mean) != len(self.pixel_std):
            raise ValueError("pixel_mean and pixel_std have a value a channel, so equally many")
        return self


MeasurementSpec = Annotated[
    BarrierSpec
    | FirstStablePointSpec
    | ForgettingSpec
    | ConvergenceSpec
    | FewShotSpec
    | TicketProbeSpec
    | TransferSpec,
    Field(discriminator="kind"),
]

OF_TICKETS = frozenset({"few_shot", "ticket_probe", "transfer"})
"""Kinds that need a ticket."""

OF_DENSE_TRAINING = frozenset({"first_stable_point", "forgetting", "convergence"})
"""Kinds that look at one training of the whole network."""


def measurement_problem(
    specs: tuple[MeasurementSpec, ...], *, supervised: bool, prunes: bool, mixes: bool, repeats: bool
) -> str:
    """Why a config cannot measure these; empty if it can.

    Args:
        supervised: whether it trains a classifier with labels.
        prunes: whether it looks for a ticket.
        mixes: whether it mixes samples, so that none has a label of its own.
        repeats: whether a sample is presented several times at once.
    """
    names = [metric.name for spec in specs for metric in spec.metrics]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return f"measures {twice} twice"
    for spec in specs:
        if not supervised:
            return f"{spec.kind} needs the method supervised"
        if spec.kind in OF_TICKETS and not prunes:
            return f"{spec.kind} is of tickets: it needs pruning"
        if spec.kind in OF_DENSE_TRAINING and prunes:
            return f"{spec.kind} is of a dense training: it takes no pruning"
        if spec.kind == "barrier" and spec.start is not None and prunes:
            return "barrier starts from the ticket's rewind point: it takes no start"
        if spec.kind == "forgetting" and (mixes or repeats):
            return "forgetting needs samples that are presented one by one: no mixup, cutmix or repeats"
    return ""
