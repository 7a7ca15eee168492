"""How fast accuracy converges: the area under its curve over epochs (stability paper, table 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dlth_bench.protocols.measurements import ConvergenceSpec
from dlth_bench.training.evaluation import in_batches, top1
from dlth_bench.training.measurements.subject import MeasurementFinding, measured
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.samples import StageSamples
from dlth_bench.training.stage import Stage
from dlth_bench.training.views.augment import Pixels

_NO_GAIN = 1e-9
"""Below this difference between the last and the first accuracy there is nothing to converge to."""


def convergence_auc(accuracies: Sequence[float]) -> float:
    """Mean over epochs of (accuracy - first) / (last - first).

    Args:
        accuracies: before training, then after each epoch; two or more.

    Returns:
        1 if the last accuracy is reached in the first epoch, more if it is passed; nan if last and first are equal.
    """
    first, last = accuracies[0], accuracies[-1]
    if abs(last - first) < _NO_GAIN:
        return math.nan
    return math.fsum((accuracy - first) / (last - first) for accuracy in accuracies[1:]) / (len(accuracies) - 1)


class ConvergenceRecord:
    """The accuracy on some splits before training and after each epoch, an incomplete last one included.

    Args:
        splits: images and labels by name of the split.
    """

    def __init__(self, stage: Stage, splits: Mapping[str, tuple[StageSamples, Tensor]], pixels: Pixels) -> None:
        if not isinstance(stage.method, Supervised):
            raise TypeError("convergence is of supervised training")
        self.stage, self.method, self.splits, self.pixels = stage, stage.method, splits, pixels
        self.accuracies: dict[str, list[float]] = {name: [] for name in splits}

    def begin(self) -> None:
        """Call before the first update; a training that goes on from a checkpoint has its state loaded instead."""
        self._evaluate()

    def after_step(self, step: int) -> bool:
        if (step + 1) % self.stage.epoch_steps == 0 or step + 1 == self.stage.end:
            self._evaluate()
        return False

    def state(self) -> dict[str, Tensor]:
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in self.accuracies.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.accuracies = {name: tensor.tolist() for name, tensor in state.items()}

    def _evaluate(self) -> None:
        mode = self.method.training
        self.method.eval()
        for name, (images, labels) in self.splits.items():
            self.accuracies[name].append(top1(in_batches(self.method.logits, images, self.pixels), labels))
        self.method.train(mode)


def convergence_finding(spec: ConvergenceSpec, record: ConvergenceRecord) -> MeasurementFinding:
    """The area of each split, and its curve; none where there was no gain."""
    areas = {split: convergence_auc(record.accuracies[split]) for split in dict.fromkeys(spec.splits)}
    without = [split for split, area in areas.items() if math.isnan(area)]
    values = [None if split in without else area for split, area in areas.items()]
    series = {f"{split}_accuracy": curve for split, curve in record.accuracies.items()}
    notes = [f"{split}: the last accuracy is the first, so there is no area" for split in without]
    return MeasurementFinding(measured(spec, values, series, notes))
