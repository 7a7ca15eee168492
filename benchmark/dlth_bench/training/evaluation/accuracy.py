"""Top-1 accuracy, overall and by class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dlth_bench.training.augment import Pixels, unaugmented
from dlth_bench.training.exchange import in_shards
from dlth_bench.training.samples import Samples, in_order

BATCH = 512


@torch.no_grad()
def in_batches(function: Callable[[Tensor], Tensor], images: Samples, pixels: Pixels) -> Tensor:
    """``function`` of the normalised, unaugmented images, concatenated over batches; each process takes a share."""

    def of_share(share: slice) -> Tensor:
        return torch.cat([function(unaugmented(batch, pixels)) for batch in in_order(images, BATCH, share)])

    return in_shards(of_share, len(images))


def class_accuracy(logits: Tensor, labels: Tensor, classes: int) -> tuple[list[float], list[int]]:
    """Top-1 accuracy and number of samples of each class.

    Args:
        logits: (samples, classes).
        labels: int64 (samples,).
    """
    correct = (logits.argmax(1) == labels).double()
    counts = torch.bincount(labels, minlength=classes)
    hits = torch.zeros(classes, dtype=torch.float64, device=labels.device).index_add_(0, labels, correct)
    return (hits / counts.clamp(min=1)).tolist(), counts.tolist()


def top1(logits: Tensor, labels: Tensor) -> float:
    """Share of samples whose highest score (samples, classes) is at their label."""
    return (logits.argmax(1) == labels).double().mean().item()
