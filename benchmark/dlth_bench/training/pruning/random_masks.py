"""Masks that do not look at weights: random ones, and shuffled ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dlth_bench.training.pruning.masks import Mask, keep_highest


def random_mask(mask: Mask, count: int, generator: torch.Generator) -> Mask:
    """``count`` of the live weights, all alike."""
    return keep_highest(_noise(mask, generator), mask, count)


def random_erk_mask(mask: Mask, count: int, generator: torch.Generator) -> Mask:
    """``count`` of all weights: as many of each layer as the Erdos-Renyi kernel rule says, random within it."""
    counts = erk_counts({name: live.shape for name, live in mask.live.items()}, count)
    noise = _noise(mask, generator)
    layers = {name: Mask({name: torch.ones_like(live)}) for name, live in mask.live.items()}
    return Mask({name: keep_highest(noise, layer, counts[name]).live[name] for name, layer in layers.items()})


def erk_densities(shapes: dict[str, torch.Size], count: int) -> dict[str, float]:
    """Layer densities in proportion to (sum of the shape) / (its product), at most 1, that keep ``count`` weights.

    Layers that the rule would more than fill are dense, and the rest solved again (Evci et al. 2020, appendix and
    code). With a shape (out, in, height, width) this is the kernel version, with (out, in) the plain one.
    """
    raw = {name: sum(shape) / math.prod(shape) for name, shape in shapes.items()}
    dense: set[str] = set()
    while True:
        sparse = [name for name in shapes if name not in dense]
        left = count - sum(math.prod(shapes[name]) for name in dense)
        factor = left / sum(sum(shapes[name]) for name in sparse) if sparse else 0.0
        overfull = {name for name in sparse if factor * raw[name] > 1}
        if not overfull:
            return {name: 1.0 if name in dense else factor * raw[name] for name in shapes}
        dense |= overfull


def erk_counts(shapes: dict[str, torch.Size], count: int) -> dict[str, int]:
    """Weights to keep of each layer, ``count`` together: `erk_densities` rounded down, the largest remainders up."""
    exact = {name: density * math.prod(shapes[name]) for name, density in erk_densities(shapes, count).items()}
    counts = {name: int(value + 1e-9) for name, value in exact.items()}  # 1e-9: of what rounding makes of a whole
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: count - sum(counts.values())]:
        counts[name] += 1
    return counts


def permuted_in_layers(mask: Mask, generator: torch.Generator) -> Mask:
    """The same number of live weights in each layer, at random places."""
    return Mask(
        {
            name: live.flatten()[torch.randperm(live.numel(), generator=generator)].view(live.shape)
            for name, live in mask.live.items()
        }
    )


def _noise(mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    # float64: in float32 one of some millions of draws in four would be a tie, which order would then break.
    return {name: torch.rand(live.shape, generator=generator, dtype=torch.float64) for name, live in mask.live.items()}
