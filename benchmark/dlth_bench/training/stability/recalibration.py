"""Batch-norm statistics computed anew: those of weights that were interpolated or pruned are not theirs.

Between two networks the variance of activations collapses while interpolated statistics do not, which looks like a
barrier (Jordan et al. 2023, REPAIR); a pruned network keeps the statistics of the dense one.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from dlth_bench.training.augment import Pixels, unaugmented
from dlth_bench.training.samples import Samples, in_order

BATCH = 250
"""Samples at once; smaller batches have noisier statistics."""


def recalibrate(network: nn.Module, samples: Samples, pixels: Pixels) -> None:
    """Set the running statistics of all batch norms to the mean over batches of unaugmented samples, in place.

    Batches are `BATCH` samples in their order; an incomplete one is left out unless it is the only one, since all
    batches count alike. The network keeps its mode.
    """
    update_bn(_batches(samples, pixels), network)


def _batches(samples: Samples, pixels: Pixels) -> Iterator[Tensor]:
    for number, batch in enumerate(in_order(samples, BATCH)):
        if number == 0 or len(batch) == BATCH:
            yield unaugmented(batch, pixels)
