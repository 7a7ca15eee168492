"""Blocks of networks: computed again for the backward pass where memory is short, and compiled one by one.

A block is a network's repeated unit, such as a residual or a transformer block. Of each one only the input is kept; a
network of n blocks so needs the activations of one block and n inputs, for a third more computation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from dlth_bench.runs.run import Tuning

Forward = Callable[..., Any]
_CHAINS = (nn.Sequential, nn.ModuleList)


def blocks(network: nn.Module) -> list[nn.Module]:
    """The trained blocks of a network: composite members of its chains, and of chains in chains."""
    found = []
    for child in network.children():
        if isinstance(network, _CHAINS) and list(child.children()) and not _chains_blocks(child):
            found += [child] if any(parameter.requires_grad for parameter in child.parameters()) else []
        else:
            found += blocks(child)
    return found


def _chains_blocks(module: nn.Module) -> bool:
    return isinstance(module, _CHAINS) and any(list(child.children()) for child in module.children())


@contextmanager
def apply_tuning(network: nn.Module, tuning: Tuning) -> Iterator[None]:
    """Inside the block, a network's own blocks are computed as the tuning says."""
    some = tuning.compile or tuning.checkpoint_activations
    changed = dict.fromkeys(blocks(network) if some else ())  # each once, however many modules hold it
    for block in changed:
        block.forward = _tuned(block, tuning)
    try:
        yield
    finally:
        for block in changed:
            del block.forward


def _tuned(block: nn.Module, tuning: Tuning) -> Forward:
    forward: Forward = block.forward
    if tuning.compile:
        # With torch's own random numbers, so that a compiled network draws what it draws otherwise.
        forward = torch.compile(forward, options={"fallback_random": True})
    return partial(_recomputed, block, forward) if tuning.checkpoint_activations else forward


def _recomputed(block: nn.Module, forward: Forward, *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, context_fn=partial(_contexts, block), **kwargs)


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _unrecorded(block)


@contextmanager
def _unrecorded(block: nn.Module) -> Iterator[None]:
    """Inside, batch norms leave their running statistics as they are: the first pass has moved them."""
    norms = [layer for layer in block.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:  # a momentum of 0 keeps them, and what is kept for the backward pass is the same as before
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, tracked) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, tracked
