"""GraSP: weights without which the norm of the gradient would fall (Wang et al. 2020, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.pruning.masks import prunable_weights
from dlth_bench.training.pruning.scoring_samples import Batch


def grasp_scores(method: Supervised, batches: Sequence[Batch], temperature: float) -> dict[str, Tensor]:
    """w (H g) by name of the weight: to remove it changes g'g by about minus twice that (equation 8).

    The paper's score is the negative, of which it removes the highest. Scores have signs: weights that are pruned
    already must stay so by the mask, a score of 0 would bring them back. H and g are those of the cross-entropy of
    logits / ``temperature``, over all weights of more than one dimension, the classifier's too, as in the original
    code. The method's batch-norm statistics change; give it a copy.
    """
    flow = [weight for weight in method.parameters() if weight.requires_grad and weight.ndim > 1]
    method.train()

    def gradient(batch: Batch, *, differentiable: bool) -> tuple[Tensor, ...]:
        loss = F.cross_entropy(method.logits(batch.images) / temperature, batch.labels)
        return torch.autograd.grad(batch.share * loss, flow, create_graph=differentiable)

    mean = [torch.zeros_like(weight) for weight in flow]
    for batch in batches:
        torch._foreach_add_(mean, list(gradient(batch, differentiable=False)))
    weights = prunable_weights(method)
    products = [torch.zeros_like(weight) for weight in weights.values()]
    for batch in batches:
        pairs = zip(gradient(batch, differentiable=True), mean, strict=True)
        inner = torch.stack([(one * other).sum() for one, other in pairs]).sum()
        torch._foreach_add_(products, list(torch.autograd.grad(inner, list(weights.values()))))
    return {
        name: (weight * product).detach() for (name, weight), product in zip(weights.items(), products, strict=True)
    }
