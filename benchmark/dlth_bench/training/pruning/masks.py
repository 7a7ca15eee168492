"""Masks over the weights that may be pruned.

Masks are on the CPU, whatever device trains: sorting there breaks ties alike everywhere, and is rare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.layer_depth import LayerDepth
from dlth_bench.training.methods.base import Method


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
    flat = bits.flatten().to(torch.uint8)
    flat = torch.cat([flat, flat.new_zeros(-len(flat) % 8)]).view(-1, 8)
    return (flat * flat.new_tensor([128, 64, 32, 16, 8, 4, 2, 1])).sum(1).to(torch.uint8)


def unpacked(data: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `packed`.

    Raises:
        ValueError: ``data`` has another length than that shape's.
    """
    count = shape.numel()
    if data.dtype != torch.uint8 or data.shape != (-(-count // 8),):
        raise ValueError(f"not the packed bits of a tensor {list(shape)}")
    bits = data[:, None] & data.new_tensor([128, 64, 32, 16, 8, 4, 2, 1])
    return (bits != 0).flatten()[:count].view(shape)
