"""What processes of one run exchange; in a single process each function returns what it is given.

Parts of a batch are consecutive and in order of rank; they need not be equally long. Every process calls each of
these functions the same number of times and in the same order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from dlth_bench.util.errors import InputError

PATIENCE = timedelta(days=7)
"""Time limit of collective calls; a process that died is noticed by its launcher long before."""


def launch(device: str, devices: int = 1) -> Fabric:
    """Open a device, or start the processes that train together, each on a device of its own.

    Under ``torchrun`` the processes run already. Else the first call starts the others, which run the same command as
    this process, and later calls use them.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: of all machines together.

    Raises:
        InputError: there are fewer here.
    """
    if devices == 1:
        return Fabric(accelerator=device, devices=1)
    # Said and not guessed: Lightning would take a job on Slurm for one that has started all processes.
    torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    environment = TorchElasticEnvironment() if torchrun else LightningEnvironment()
    here = int(os.environ["LOCAL_WORLD_SIZE"]) if torchrun else devices
    backend = "gloo" if device == "cpu" else None
    strategy = DDPStrategy(
        process_group_backend=backend,
        timeout=PATIENCE,
        # Buffers are the same everywhere: batch norm, queues and centres see the samples of all processes.
        broadcast_buffers=False,
        # MAE's encoder has a weight that nothing uses.
        find_unused_parameters=True,
    )
    try:
        fabric = Fabric(
            accelerator=device, devices=here, num_nodes=devices // here, strategy=strategy, plugins=[environment]
        )
    except MisconfigurationException as error:
        raise InputError(f"{devices} devices: {' '.join(str(error).split())}") from None
    fabric.launch()
    return fabric


class BatchPart:
    """Some samples of a batch.

    Tensors of several views hold the batch several times, one view after the other; a part of them is that of each
    view, in the same order.

    Args:
        rows: int64 (part,), places in the batch.
        total: samples of the batch.
    """

    def __init__(self, rows: Tensor, total: int) -> None:
        self.rows = rows
        self.total = total
        self._index: dict[tuple[int, torch.device], Tensor] = {}

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def share(self) -> float:
        """The part's share of the batch."""
        return len(self) / self.total

    def whole_length(self, length: int) -> int:
        """Rows of a tensor of the batch of which ``length`` rows are this part's."""
        return length // len(self) * self.total

    def of(self, whole: Tensor, dim: int = 0) -> Tensor:
        """This part of a tensor that has the whole batch, once a view, along ``dim``."""
        views = whole.shape[dim] // self.total
        key = views, whole.device
        if key not in self._index:
            starts = torch.arange(views)[:, None] * self.total
            self._index[key] = (starts + self.rows).flatten().to(whole.device)
        return whole.index_select(dim, self._index[key])

    def within(self, inner: BatchPart) -> BatchPart:
        """The part of the batch that ``inner``, a part of this part, is."""
        return BatchPart(self.rows[inner.rows], self.total)


def divided(batch: int, parts: int, *, mirrored: bool = False) -> tuple[BatchPart, ...]:
    """A batch in parts of about equal size that together have each sample once.

    Args:
        mirrored: whether a sample and its mirror in the batch are in the same part and each other's mirror there, which
            mixing samples with their mirrors needs; else parts are consecutive.

    Raises:
        InputError: there are more parts than samples, or than pairs of them.
    """
    places = torch.arange(batch)
    spread = batch // 2 if mirrored else batch
    if parts > max(1, spread):
        pairs = " of samples that are mixed in pairs" if mirrored else ""
        raise InputError(f"a batch of {batch}{pairs} cannot be divided into {parts} parts")
    bounds = [spread * number // parts for number in range(parts + 1)]
    if not mirrored:
        return tuple(BatchPart(places[start:end], batch) for start, end in pairwise(bounds))
    halves = [(places[start:end], places[batch - end : batch - start]) for start, end in pairwise(bounds)]
    if batch % 2:  # the sample in the middle is its own mirror
        first, second = halves[-1]
        halves[-1] = first, torch.cat([places[spread : spread + 1], second])
    return tuple(BatchPart(torch.cat(pair), batch) for pair in halves)


T = TypeVar("T")


@dataclass(frozen=True)
class BatchSplit:
    """A batch split over the processes of a run: all parts, in order of rank, and which one is this process's."""

    parts: tuple[BatchPart, ...]
    rank: int

    @classmethod
    def of(cls, batch: int, *, mirrored: bool = False) -> BatchSplit:
        """How a batch is split over the processes there are; see `divided`."""
        return cls(divided(batch, processes(), mirrored=mirrored), dist.get_rank())

    @property
    def own(self) -> BatchPart:
        return self.parts[self.rank]


def processes() -> int:
    """How many processes train this run together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather(own: Tensor, split: BatchSplit | None) -> Tensor:
    """Collect the parts (part, ...) of all processes into one tensor of the batch, without gradient."""
    if split is None:
        return own
    # Padded to the same length, since collectives of unequal ones are not available on every backend.
    longest = max(len(part) for part in split.parts)
    padded = own.new_zeros((longest, *own.shape[1:]))
    padded[: len(own)] = own
    received = [torch.empty_like(padded) for _ in split.parts]
    dist.all_gather(received, padded)
    return torch.cat([rows[: len(part)] for rows, part in zip(received, split.parts, strict=True)])


def gather_with_gradient(own: Tensor, split: BatchSplit | None) -> Tensor:
    """As `gather`, with gradient: for a loss on the batch that every process computes in the same way.

    Each process then has the gradient of its own rows alone, times the number of processes, since their gradients are
    averaged in the end.
    """
    return own if split is None else _Joined.apply(own, split)


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, split: BatchSplit) -> Tensor:
        ctx.split = split
        return gather(own, split)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        split: BatchSplit = ctx.split
        return split.own.of(gradient) * len(split.parts), None


def own_part(batch: Tensor, split: BatchSplit | None) -> Tensor:
    """This process's part of what `gather` gives."""
    return batch if split is None else split.own.of(batch)


def sum_over_processes(tensor: Tensor) -> Tensor:
    """The sum over all processes, without gradient."""
    if processes() > 1:
        tensor = tensor.contiguous().clone()
        dist.all_reduce(tensor)
    return tensor


def broadcast_from_first(value: Callable[[], T]) -> T:
    """Call a function in the first process alone; returns its value in all processes."""
    if processes() == 1:
        return value()
    box = [value() if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(box, src=0)
    return box[0]  # type: ignore[return-value]  # what was put in


def take_from_first(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors by the first process's, in place."""
    if processes() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def compute_in_shards(function: Callable[[slice], Tensor], samples: int) -> Tensor:
    """``function`` of all samples (samples, ...), each process computing it for a consecutive share of them."""
    if processes() == 1 or samples < processes():
        return function(slice(0, samples))
    split = BatchSplit.of(samples)
    first = int(split.own.rows[0])
    return gather(function(slice(first, first + len(split.own))), split)
