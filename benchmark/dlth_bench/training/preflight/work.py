"""How much training that is: samples drawn, updates, operations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dlth_bench.spec.recipe import TrainSpec
from dlth_bench.training.preflight.counts import StepCount


@dataclass(frozen=True)
class Work:
    """What a part of a run takes; see `spec.reference.Cost`.

    Attributes:
        images: samples drawn, all views of one counted once.
        steps: updates.
        flops: a multiply-add counted as two.
        at_most: whether that is the most: how much it is depends on what is found on the way.
    """

    images: int = 0
    steps: int = 0
    flops: float = 0.0
    at_most: bool = False

    def __add__(self, other: Work) -> Work:
        return Work(
            self.images + other.images,
            self.steps + other.steps,
            self.flops + other.flops,
            self.at_most or other.at_most,
        )


def summed(works: Iterable[Work]) -> Work:
    """All of it together."""
    return sum(works, Work())


def updates(steps: int, batch: int, step: StepCount) -> Work:
    """So many updates of a batch each."""
    return Work(steps * batch, steps, steps * batch * step.flops)


def training(train: TrainSpec, samples: int, step: StepCount) -> Work:
    """A whole training on so many samples.

    Raises:
        ValueError: they do not fill one batch.
    """
    return updates(train.duration.in_steps(train.trained_samples(samples), train.batch_size), train.batch_size, step)
