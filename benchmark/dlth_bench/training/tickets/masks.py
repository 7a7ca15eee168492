"""Masks over the weights that may be pruned.

Masks are on the CPU, whatever device trains: sorting there breaks ties alike everywhere, and is rare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from dlth_bench.protocols.tickets import LayerDepth
from dlth_bench.training.checkpoint import load_tensors, save_tensors
from dlth_bench.training.methods.method import Method
from dlth_bench.util.errors import InputError


def prunable_weights(method: Method) -> dict[str, Tensor]:
    """The weights of the encoder's convolutions and linear layers, by their names in ``method.state_dict()``.

    In the order of the network's modules, from the input on.

    Biases, norms, embeddings and the classifier after the encoder are not among them.

    Raises:
        InputError: there are none.
    """
    layers = {f"encoder.{name}" if name else "encoder": layer for name, layer in method.encoder.named_modules()}
    found = {f"{name}.weight": layer.weight for name, layer in layers.items() if isinstance(layer, _ConvNd | nn.Linear)}
    if not found:
        raise InputError("this backbone has neither convolutions nor linear layers to prune")
    return found


class ScoresNotFinite(ValueError):
    """The score of a live weight is NaN or infinite."""


@dataclass(frozen=True, eq=False)
class Mask:
    """Which weights are live.

    Attributes:
        live: by name, bool of the weight's shape, on the CPU.
    """

    live: Mapping[str, Tensor]

    @classmethod
    def dense(cls, method: Method, depth: LayerDepth | None = None) -> Mask:
        """All prunable weights of a method, or of its first layers; all others stay dense.

        Raises:
            InputError: it has not as many layers.
        """
        weights = prunable_weights(method)
        names = list(weights) if depth is None else list(weights)[: depth.count(len(weights))]
        return cls({name: torch.ones(weights[name].shape, dtype=torch.bool) for name in names})

    @property
    def weights(self) -> int:
        """How many weights it is over."""
        return sum(live.numel() for live in self.live.values())

    @property
    def count(self) -> int:
        """How many weights are live."""
        return sum(int(live.sum()) for live in self.live.values())

    @property
    def density(self) -> float:
        return self.count / self.weights

    @property
    def empty_layers(self) -> int:
        """Layers without a live weight."""
        return sum(not live.any() for live in self.live.values())

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the names, shapes and bits in the order of names."""
        found = hashlib.sha256()
        for name in sorted(self.live):
            live = self.live[name]
            found.update(f"{name} {list(live.shape)}\n".encode())
            found.update(packed(live).numpy().tobytes())
        return found.hexdigest()

    @torch.no_grad()
    def apply(self, method: Method) -> None:
        """Set the weights of ``method`` that are not live to zero."""
        weights = prunable_weights(method)
        for name, live in self.live.items():
            weights[name].masked_fill_(~live.to(weights[name].device), 0.0)


def keep_highest(scores: Mapping[str, Tensor], mask: Mask, count: int) -> Mask:
    """The mask of exactly the ``count`` live weights with the highest scores of all tensors together.

    Of equal scores that of the earlier tensor of the mask, and in it the earlier position, is kept. A weight that is
    not live never comes back.

    Raises:
        ValueError: there are fewer live weights.
        ScoresNotFinite: of a live weight.
    """
    if not 0 <= count <= mask.count:
        raise ValueError(f"cannot keep {count} of {mask.count} live weights")
    flat = torch.cat([scores[name].detach().cpu().flatten() for name in mask.live])
    live = torch.cat([live.flatten() for live in mask.live.values()])
    if not torch.isfinite(flat[live]).all():
        raise ScoresNotFinite("the scores of live weights are not all finite")
    flat = flat.masked_fill(~live, -torch.inf)
    kept = torch.zeros(len(flat), dtype=torch.bool)
    kept[torch.sort(flat, descending=True, stable=True).indices[:count]] = True
    parts = torch.split(kept, [live.numel() for live in mask.live.values()])
    return Mask({name: part.view(mask.live[name].shape) for name, part in zip(mask.live, parts, strict=True)})


def packed(bits: Tensor) -> Tensor:
    """Booleans in logical order as uint8 (ceil(n / 8),), the first in the highest bit; the rest of the last is 0."""
    return torch.from_numpy(np.packbits(bits.flatten().numpy()))


def unpacked(data: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `packed`.

    Raises:
        ValueError: ``data`` has another length than that shape's.
    """
    count = shape.numel()
    if data.dtype != torch.uint8 or data.shape != (-(-count // 8),):
        raise ValueError(f"not the packed bits of a tensor {list(shape)}")
    return torch.from_numpy(np.unpackbits(data.numpy(), count=count)).bool().view(shape)


SHAPES = "shapes"
"""Key of the header: the shape of each mask, by name in the mask's order."""


def save_mask(path: Path, mask: Mask, header: dict[str, Any]) -> None:
    """Write a mask with a JSON-able header, whole or not at all."""
    shapes = {name: list(live.shape) for name, live in mask.live.items()}
    tensors = {name: packed(live) for name, live in mask.live.items()}
    save_tensors(path, tensors, header | {SHAPES: shapes})


def load_mask(path: Path) -> tuple[Mask, dict[str, Any]] | None:
    """Mask and header of a file; None when there is no such file or it is not a whole one."""
    loaded = load_tensors(path)
    if loaded is None:
        return None
    tensors, header = loaded
    try:
        shapes = header.pop(SHAPES)
        live = {name: unpacked(tensors[name], torch.Size(shape)) for name, shape in shapes.items()}
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):
        return None
    return Mask(live), header


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


ZERO = 1e-8
"""Absolute values below are zero; the paper says "machine precision" of float32."""


@torch.no_grad()
def natural_sparsity(method: Method) -> float:
    """Share of all prunable weights, of pruned layers or not, that are zero."""
    weights = list(prunable_weights(method).values())
    return sum(int((weight.abs() < ZERO).sum()) for weight in weights) / sum(weight.numel() for weight in weights)
