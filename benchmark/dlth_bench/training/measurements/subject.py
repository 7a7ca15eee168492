"""What is measured: the weights that trainings start from, the mask they keep, and how they are trained."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dlth_bench.protocols.measurements import Measured, MeasuredValue, Metric
from dlth_bench.training.loop import History
from dlth_bench.training.methods.supervised import Supervised, as_classifier
from dlth_bench.training.samples import StageSamples
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets.masks import Mask
from dlth_bench.training.tickets.search import LevelTrainer, Weights
from dlth_bench.training.views.augment import Pixels


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

    def train(self, stage: Stage) -> History:
        """Train any stage, or take its weights from an earlier attempt at this run."""
        return self.trainer.train(stage)

    @property
    def step_flops(self) -> float:
        """Operations of one update of the config's training."""
        return self.trainer.step_flops

    @property
    def seed(self) -> int:
        return self.trainer.dense.seed

    @property
    def pixels(self) -> Pixels:
        return self.trainer.pixels

    @property
    def masks_something(self) -> bool:
        """Whether it is a ticket."""
        return self.mask.count < self.mask.weights

    def network(self) -> Supervised:
        """The network at its start, pruned and untrained."""
        method = as_classifier(self.trainer.with_weights(self.weights))
        self.mask.apply(method)
        return method


@dataclass(frozen=True)
class MeasurementFinding:
    """What a measurement found and what training it took; see `protocols.reference.Cost`."""

    measured: Measured
    images: int = 0
    flops: float = 0.0
    seconds: float = 0.0


def valued(metric: Metric, value: float) -> MeasuredValue:
    """A metric with its value."""
    return MeasuredValue(**metric.model_dump(), value=value)
