"""First-in-first-out queues of embeddings, kept in buffers so that checkpoints have them."""

from __future__ import annotations

import torch
from torch import Tensor


def enqueued(queue: Tensor, start: Tensor, rows: Tensor) -> Tensor:
    """The queue with its oldest rows replaced; batches that do not divide it wrap around.

    A new tensor, since the backward of a loss on the queue still needs the old values.

    Args:
        queue: (size, dim).
        start: int64 scalar on the queue's device, the place of the oldest row.
        rows: (batch, dim), no more than the queue has.
    """
    places = (start + torch.arange(len(rows), device=rows.device)) % len(queue)
    return queue.index_copy(0, places, rows)
