"""A mask kept while its network is trained: no gradient for weights that are not live, and zeros after each update."""

from __future__ import annotations

import torch
from torch import Tensor

from dlth_bench.training.methods.base import Method
from dlth_bench.training.pruning.masks import Mask, prunable_weights


class Masking:
    """A mask bound to the weights of one method.

    Gradients are masked before they are clipped or scaled, since else pruned weights would count in norms; weights
    after the update, so that every checkpoint holds zeros. To mask only before each forward pass leaves the last
    update's values in the weights; to mask only gradients lets momentum revive weights.
    """

    def __init__(self, method: Method, mask: Mask) -> None:
        weights = prunable_weights(method)
        self._weights = [weights[name] for name in mask.live]
        # Laid out like the weights and of their type, as the fused products want it.
        self._live: list[Tensor] = [
            torch.empty_like(weight, requires_grad=False).copy_(live)
            for weight, live in zip(self._weights, mask.live.values(), strict=True)
        ]

    @torch.no_grad()
    def zero_gradients(self) -> None:
        """Call between the backward pass and all that looks at gradients."""
        pairs = [(w.grad, live) for w, live in zip(self._weights, self._live, strict=True) if w.grad is not None]
        if pairs:
            gradients, live = zip(*pairs, strict=True)
            torch._foreach_mul_(list(gradients), list(live))

    @torch.no_grad()
    def zero_weights(self) -> None:
        """Call before the first update and after each."""
        torch._foreach_mul_(list(self._weights), self._live)
