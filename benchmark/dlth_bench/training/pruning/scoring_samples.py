"""The labelled samples that scores are computed on: equally many of each class, as evaluation sees them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlth_bench.training.augment import Pixels, unaugmented
from dlth_bench.training.ragged import Images
from dlth_bench.training.samples import Samples
from dlth_bench.training.tokens import TokenSamples

SCORING_BATCH = 256
"""At most so many at once: gradients of gradients take much memory."""


@dataclass(frozen=True)
class Batch:
    """Normalised images (batch, channels, height, width), their int64 labels, and their share of all samples."""

    images: Tensor
    labels: Tensor
    share: float


def scoring_batches(
    samples: Samples, labels: Tensor, pixels: Pixels, *, per_class: int, generator: torch.Generator
) -> list[Batch]:
    """Random samples, ``per_class`` of each class or all that there are, in batches of about equal size.

    Those without a label, -1, are left out.

    Batches mix the classes, since networks normalise over them.

    Args:
        samples: uint8 images, as a stage has them.
        generator: on the CPU.
    """
    if isinstance(samples, TokenSamples):
        raise TypeError("scores are of networks for images")
    order = torch.randperm(len(labels), generator=generator)
    ordered = labels.cpu()[order]
    picked = [order[ordered == label][:per_class] for label in torch.unique(ordered) if label >= 0]
    chosen = torch.cat(picked)
    chosen = chosen[torch.randperm(len(chosen), generator=generator)]
    batches = []
    for part in chosen.tensor_split(-(-len(chosen) // SCORING_BATCH)):
        positions = part.to(labels.device)
        images: Images = samples[positions]
        batches.append(Batch(unaugmented(images, pixels), labels[positions], len(part) / len(chosen)))
    return batches
