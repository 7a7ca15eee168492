"""Parts of a batch: which of its samples a process, or one of a process's micro-batches, takes."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from dlth_bench.spec.errors import InputError


class Part:
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

    def within(self, inner: Part) -> Part:
        """The part of the batch that ``inner``, a part of this part, is."""
        return Part(self.rows[inner.rows], self.total)


def divided(batch: int, parts: int, *, mirrored: bool = False) -> tuple[Part, ...]:
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
        return tuple(Part(places[start:end], batch) for start, end in pairwise(bounds))
    halves = [(places[start:end], places[batch - end : batch - start]) for start, end in pairwise(bounds)]
    if batch % 2:  # the sample in the middle is its own mirror
        first, second = halves[-1]
        halves[-1] = first, torch.cat([places[spread : spread + 1], second])
    return tuple(Part(torch.cat(pair), batch) for pair in halves)
