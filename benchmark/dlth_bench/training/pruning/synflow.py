"""SynFlow: a weight's part of the flow through the network of absolute weights (Tanaka et al. 2020, section 6)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _NormBase

from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.pruning.masks import prunable_weights


def synflow_scores(method: Supervised, channels: int, size: int) -> dict[str, Tensor]:
    """w dR/dw by name of the weight, float64 on the CPU; R is the sum of the outputs for an image of ones.

    All parameters take their absolute value, and batch norms in evaluation mode the statistics (0, 1), so that all
    that flows is positive. In float64, since R of a deep network overflows float32. The method becomes that network;
    give it a copy.

    Args:
        channels, size: of the image that the network takes, its side in pixels.
    """
    linear = method.cpu().double().eval()
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.abs_()
    for module in linear.modules():
        if isinstance(module, _NormBase):
            module.reset_running_stats()
    weights = prunable_weights(linear)
    flow = linear.logits(torch.ones(1, channels, size, size, dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(flow, list(weights.values()))
    return {
        name: (weight * gradient).detach() for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
