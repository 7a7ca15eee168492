"""MoCo v1 and v2: contrast of two views against a queue of momentum-encoded keys.

He et al. 2020 (arXiv:1911.05722), Chen et al. 2020 (arXiv:2003.04297).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlth_bench.spec.method import MoCoSpec
from dlth_bench.training.augment import Augment, Pixels
from dlth_bench.training.methods.base import Method, Moment, Views, frozen_copy, update_average
from dlth_bench.training.ragged import Images


class MoCo(Method):
    """Query encoder, momentum key encoder and queue.

    The queue is a persistent buffer: lightly's memory bank is not, and a resumed run would lose it.
    """

    queue: Tensor
    queue_start: Tensor

    def __init__(self, spec: MoCoSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__()
        self.spec = spec
        self.augment = Augment(spec.augment, pixels)
        self.encoder = backbone
        head: list[nn.Module] = [nn.Linear(width, width), nn.ReLU(inplace=True)] if spec.mlp else []
        self.head = nn.Sequential(*head, nn.Linear(width, spec.dim))
        self.key_encoder = frozen_copy(self.encoder)
        self.key_head = frozen_copy(self.head)
        self.register_buffer("queue", F.normalize(torch.randn(spec.queue, spec.dim), dim=1))
        self.register_buffer("queue_start", torch.zeros((), dtype=torch.long))

    def views(self, images: Images, generator: torch.Generator) -> Views:
        # Both views as one batch: half the calls.
        queries, keys = self.augment(images.repeat(2, 1, 1, 1), generator).chunk(2)
        return queries, keys

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        queries = F.normalize(self.head(self.encoder(views[0])), dim=1)
        keys = self._keys(views[1])
        loss = info_nce(queries, keys, self.queue, self.spec.temperature)
        self._enqueue(keys)
        return loss

    @torch.no_grad()
    def _keys(self, view: Tensor) -> Tensor:
        # The momentum update comes between query and key, as in the original builder.
        online = [*self.encoder.parameters(), *self.head.parameters()]
        average = [*self.key_encoder.parameters(), *self.key_head.parameters()]
        update_average(average, online, self.spec.momentum)
        return F.normalize(self.key_head(self.key_encoder(view)), dim=1)

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        """Replace the oldest keys; batches that do not divide the queue wrap around."""
        places = (self.queue_start + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        # A new tensor, since the loss's backward still needs the old values.
        self.queue = self.queue.index_copy(0, places, keys)
        self.queue_start = (self.queue_start + len(keys)) % len(self.queue)


def info_nce(queries: Tensor, keys: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of picking a query's own key among its key and the negatives.

    Args:
        queries, keys: (batch, dim), L2-normalised.
        negatives: (queue, dim), L2-normalised.
    """
    positive = (queries * keys).sum(1, keepdim=True)
    logits = torch.cat([positive, queries @ negatives.T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(queries), dtype=torch.long, device=queries.device))
