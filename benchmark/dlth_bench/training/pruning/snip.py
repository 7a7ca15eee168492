"""SNIP: how much the loss changes with a weight's place in the mask (Lee et al. 2019, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.pruning.masks import prunable_weights
from dlth_bench.training.pruning.scoring_samples import Batch


def snip_scores(method: Supervised, batches: Sequence[Batch]) -> dict[str, Tensor]:
    """|dL/dm| at the mask's present values, which is |w dL/dw|, of the mean cross-entropy; by name of the weight.

    The network is in training mode, so its norms see the batch: at the start there are no statistics yet. The
    method's batch-norm statistics change; give it a copy.
    """
    weights = prunable_weights(method)
    totals = [torch.zeros_like(weight) for weight in weights.values()]
    method.train()
    for batch in batches:
        loss = batch.share * F.cross_entropy(method.logits(batch.images), batch.labels)
        torch._foreach_add_(totals, list(torch.autograd.grad(loss, list(weights.values()))))
    return {
        name: (weight * total).detach().abs() for (name, weight), total in zip(weights.items(), totals, strict=True)
    }
