"""What the stages of a run left, and what a result says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dlth_bench.spec.metric import Measured
from dlth_bench.spec.reference import Cost
from dlth_bench.spec.result import Curves
from dlth_bench.spec.ticket import TicketFacts
from dlth_bench.training.environment import peak_memory_bytes
from dlth_bench.training.evaluation.accuracy import class_accuracy, top1
from dlth_bench.training.history import History
from dlth_bench.training.loop import Diverged
from dlth_bench.training.resident import Resident


@dataclass(frozen=True)
class Outcome:
    """What one or two stages of a run left."""

    train_logits: Tensor
    val_logits: Tensor
    pretrain: History
    evaluation: History
    images: int
    flops: float
    reused_seconds: float = 0.0
    """Of pretraining: spent by another run."""
    earlier_seconds: float = 0.0
    """Wall seconds of the search, of configs that prune, and of what measurements trained."""
    ticket: TicketFacts | None = None
    measured: tuple[Measured, ...] = ()


def measured(outcome: Outcome, data: Resident, classes: int) -> dict[str, Any]:
    """The fields of the result of a finished run that do not name it.

    Args:
        data: what the evaluated network was trained on, and the validation samples.

    Raises:
        Diverged: the scores of the trained model are not finite.
    """
    if not torch.isfinite(outcome.val_logits).all():
        # The last update can break the weights after the last loss was still a number.
        raise Diverged("the scores of the trained model are not finite")
    accuracies, counts = class_accuracy(outcome.val_logits, data.val_labels, classes)
    pretrain, evaluation = outcome.pretrain, outcome.evaluation
    return {
        "status": "finished",
        "accuracy": top1(outcome.val_logits, data.val_labels),
        "class_accuracy": tuple(accuracies),
        "class_counts": tuple(counts),
        "train_accuracy": top1(outcome.train_logits, data.train_labels),
        "curves": Curves(
            pretrain_steps=tuple(pretrain.curve_steps),
            pretrain_loss=tuple(pretrain.curve_loss),
            evaluation_steps=tuple(evaluation.curve_steps),
            evaluation_loss=tuple(evaluation.curve_loss),
        ),
        "cost": Cost(
            images=outcome.images,
            flops=outcome.flops,
            device_seconds=outcome.earlier_seconds + pretrain.seconds + evaluation.seconds,
        ),
        "reused_seconds": outcome.reused_seconds,
        "ticket": outcome.ticket,
        "measured": outcome.measured,
        "peak_memory_bytes": peak_memory_bytes(data.train_labels.device),
    }
