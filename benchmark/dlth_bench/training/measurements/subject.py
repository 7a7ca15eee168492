"""What is measured: the weights that trainings start from, the mask they keep, and how they are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from dlth_bench.protocols.measurements import Measured, MeasuredValue, MeasurementSpec
from dlth_bench.training.methods.supervised import Supervised, as_classifier
from dlth_bench.training.samples import StageSamples
from dlth_bench.training.tickets.masks import Mask
from dlth_bench.training.tickets.search import LevelTrainer, Weights, copy_weights


@dataclass(frozen=True)
class Subject:
    """A network at the start of its training: a ticket at its rewind point, or the whole network where it began.

    Attributes:
        trainer: trains it with the config's recipe on the data that train tickets, and holds the validation samples.
        weights: at the start, those that the mask prunes included.
        mask: which weights are live.
        start: update of the schedule that training starts from.
        images, labels: what a probe is fitted to.
    """

    trainer: LevelTrainer
    weights: Weights
    mask: Mask
    start: int
    images: StageSamples
    labels: Tensor

    def network(self) -> Supervised:
        """The network at its start, pruned and untrained."""
        method = as_classifier(self.trainer.with_weights(self.weights))
        self.mask.apply(method)
        return method

    def trained_to(self, update: int) -> tuple[Subject, float]:
        """The network after some updates of its own training, and the wall seconds of these.

        They are the updates of the config's training itself, whose draws go by the name of its stage.
        """
        if update == 0:
            return replace(self, start=0), 0.0
        method = self.trainer.with_weights(self.weights)
        stage = replace(self.trainer.dense, method=method, stop=update, stored_as=f"stable-{update}-start")
        history = self.trainer.train(stage)
        return replace(self, weights=copy_weights(method.state_dict()), start=update), history.seconds


@dataclass(frozen=True)
class MeasurementFinding:
    """What a measurement found and what training it took; see `protocols.reference.Cost`."""

    measured: Measured
    images: int = 0
    flops: float = 0.0
    seconds: float = 0.0


def measured(
    spec: MeasurementSpec,
    values: Sequence[float | None],
    series: Mapping[str, Sequence[float]] | None = None,
    notes: Sequence[str] = (),
) -> Measured:
    """What a measurement found: the values of its metrics, in their order, None where there is none."""
    given = [(metric, value) for metric, value in zip(spec.metrics, values, strict=True) if value is not None]
    return Measured(
        kind=spec.kind,
        values=tuple(MeasuredValue(**metric.model_dump(), value=value) for metric, value in given),
        series={name: tuple(each) for name, each in (series or {}).items()},
        notes=tuple(notes),
    )
