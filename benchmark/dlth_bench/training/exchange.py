"""What processes of one run exchange; in a single process each function returns what it is given.

Parts of a batch are consecutive and in order of rank; they need not be equally long. Every process calls each of
these functions the same number of times and in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from dlth_bench.training.part import Part, divided

T = TypeVar("T")


@dataclass(frozen=True)
class Split:
    """A batch split over the processes of a run: all parts, in order of rank, and which one is this process's."""

    parts: tuple[Part, ...]
    rank: int

    @classmethod
    def of(cls, batch: int, *, mirrored: bool = False) -> Split:
        """How a batch is split over the processes there are; see `divided`."""
        return cls(divided(batch, processes(), mirrored=mirrored), dist.get_rank())

    @property
    def own(self) -> Part:
        return self.parts[self.rank]


def processes() -> int:
    """How many processes train this run together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gathered(own: Tensor, split: Split | None) -> Tensor:
    """The parts (part, ...) of all processes as one tensor of the batch, without gradient."""
    if split is None:
        return own
    # Padded to the same length, since collectives of unequal ones are not to be had everywhere.
    longest = max(len(part) for part in split.parts)
    padded = own.new_zeros((longest, *own.shape[1:]))
    padded[: len(own)] = own
    received = [torch.empty_like(padded) for _ in split.parts]
    dist.all_gather(received, padded)
    return torch.cat([rows[: len(part)] for rows, part in zip(received, split.parts, strict=True)])


def joined(own: Tensor, split: Split | None) -> Tensor:
    """As `gathered`, with gradient: for a loss on the batch that every process computes in the same way.

    Each process then has the gradient of its own rows alone, times the number of processes, since their gradients are
    averaged in the end.
    """
    return own if split is None else _Joined.apply(own, split)


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, split: Split) -> Tensor:
        ctx.split = split
        return gathered(own, split)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        split: Split = ctx.split
        return split.own.of(gradient) * len(split.parts), None


def own_part(batch: Tensor, split: Split | None) -> Tensor:
    """This process's part of what `gathered` gives."""
    return batch if split is None else split.own.of(batch)


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes, without gradient."""
    if processes() > 1:
        tensor = tensor.contiguous().clone()
        dist.all_reduce(tensor)
    return tensor


def of_first(value: Callable[[], T]) -> T:
    """What the first process's call gives, in all of them; the others do not call it."""
    if processes() == 1:
        return value()
    box = [value() if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(box, src=0)
    return box[0]  # type: ignore[return-value]  # what was put in


def take_from_first(tensors: Iterable[Tensor]) -> None:
    """Give tensors the first process's values, in place."""
    if processes() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def in_shards(function: Callable[[slice], Tensor], samples: int) -> Tensor:
    """``function`` of all samples (samples, ...), each process computing it for a consecutive share of them."""
    if processes() == 1 or samples < processes():
        return function(slice(0, samples))
    split = Split.of(samples)
    first = int(split.own.rows[0])
    return gathered(function(slice(first, first + len(split.own))), split)
