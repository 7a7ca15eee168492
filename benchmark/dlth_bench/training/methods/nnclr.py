"""NNCLR: contrast in which a view's nearest neighbour among past projections stands for it.

Dwibedi et al. 2021 (arXiv:2104.14548). Heads are lightly's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightly.models.modules.heads import NNCLRPredictionHead, NNCLRProjectionHead
from torch import Tensor, nn

from dlth_bench.protocols.methods import NNCLRSpec
from dlth_bench.training.methods.method import Moment, TwoViewMethod, Views, enqueued
from dlth_bench.training.parallel.processes import gather, gather_with_gradient
from dlth_bench.training.views.augment import Pixels


class NNCLR(TwoViewMethod):
    """Encoder, projection head, predictor and queue.

    The queue is a persistent buffer: lightly's memory bank is not, and a resumed run would lose it.
    """

    couples = "its loss compares the samples of a batch"
    whole_loss = True

    queue: Tensor
    queue_start: Tensor

    def __init__(self, spec: NNCLRSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__(spec, backbone, pixels)
        self.temperature = spec.temperature
        self.head = NNCLRProjectionHead(width, spec.hidden_dim, spec.dim)
        self.predictor = NNCLRPredictionHead(spec.dim, spec.predictor_dim, spec.dim)
        self.register_buffer("queue", F.normalize(torch.randn(spec.queue, spec.dim), dim=1))
        self.register_buffer("queue_start", torch.zeros((), dtype=torch.long))

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        projections = [self.head(self.encoder(view)) for view in views]
        first, second = (
            gather_with_gradient(F.normalize(self.predictor(projection), dim=1), self.split)
            for projection in projections
        )
        keys = [gather(F.normalize(projection.detach(), dim=1), self.split) for projection in projections]
        first_neighbours, second_neighbours = (nearest(key, self.queue) for key in keys)
        loss = neighbour_contrast(first_neighbours, second, self.temperature)
        loss = (loss + neighbour_contrast(second_neighbours, first, self.temperature)) / 2
        # One view alone is kept: two of an image would be each other's neighbours.
        self._enqueue(keys[0])
        return loss

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        self.queue = enqueued(self.queue, self.queue_start, keys)
        self.queue_start = (self.queue_start + len(keys)) % len(self.queue)


def nearest(keys: Tensor, queue: Tensor) -> Tensor:
    """The row of ``queue`` (size, dim) most similar to each of ``keys`` (batch, dim), all L2-normalised."""
    return queue[(keys @ queue.T).argmax(dim=1)]


def neighbour_contrast(neighbours: Tensor, predictions: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of picking the own image's prediction for each neighbour among the batch's (equation 3).

    Args:
        neighbours, predictions: (batch, dim), L2-normalised, of one view and of the other.
    """
    logits = neighbours @ predictions.T / temperature
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))
