"""Natural sparsity: weights that training with weight decay took to zero by itself.

Limited-supervision paper, section 4.5: about 80 % of a ResNet-18 on CIFAR-10 with Adam, next to none on ImageNet. A
mask that removes no more than these says nothing about tickets.
"""

from __future__ import annotations

import torch

from dlth_bench.training.methods.base import Method
from dlth_bench.training.pruning.masks import prunable_weights

ZERO = 1e-8
"""Absolute values below are zero; the paper says "machine precision" of float32."""


@torch.no_grad()
def natural_sparsity(method: Method) -> float:
    """Share of all prunable weights, of pruned layers or not, that are zero."""
    weights = list(prunable_weights(method).values())
    return sum(int((weight.abs() < ZERO).sum()) for weight in weights) / sum(weight.numel() for weight in weights)
