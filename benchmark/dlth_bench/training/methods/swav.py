"""SwAV: each view predicts the other's assignment to prototypes, balanced over the batch by Sinkhorn-Knopp.

Caron et al. 2020 (arXiv:2006.09882), on two views without small crops. Head and loss are lightly's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightly.loss import SwaVLoss
from lightly.models.modules.heads import SwaVProjectionHead
from torch import Tensor, nn

from dlth_bench.protocols.methods import SwAVSpec
from dlth_bench.training.methods.method import Moment, TwoViewMethod, Views, enqueued
from dlth_bench.training.parallel.processes import gather_with_gradient
from dlth_bench.training.views.augment import Pixels


class SwAV(TwoViewMethod):
    """Encoder, projection head, prototypes, and a queue of past projections of each view."""

    couples = "assignments to prototypes are balanced over a batch"
    whole_loss = True

    queue: Tensor
    queue_start: Tensor

    def __init__(self, spec: SwAVSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__(spec, backbone, pixels)
        self.spec = spec
        self.head = SwaVProjectionHead(width, spec.hidden_dim, spec.dim)
        self.prototypes = nn.Linear(spec.dim, spec.prototypes, bias=False)
        self.loss = SwaVLoss(
            temperature=spec.temperature,
            sinkhorn_iterations=spec.sinkhorn_iterations,
            sinkhorn_epsilon=spec.sinkhorn_epsilon,
        )
        self.register_buffer("queue", torch.zeros(2, spec.queue, spec.dim))
        self.register_buffer("queue_start", torch.zeros((), dtype=torch.long))

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        projections = [
            gather_with_gradient(F.normalize(self.head(self.encoder(view)), dim=1), self.split) for view in views
        ]
        past = [self._scores(kept) for kept in self.queue] if self._queue_in_use(len(projections[0]), moment) else None
        loss: Tensor = self.loss([self._scores(projection) for projection in projections], [], past)
        if self.spec.queue:
            self._enqueue(projections)
        return loss.squeeze(0)

    def _scores(self, projections: Tensor) -> Tensor:
        """Cosines (batch, prototypes) of projections (batch, dim) and prototypes.

        Prototypes are normalised here and not after each update as in the original: their length gets no gradient.
        """
        return F.linear(projections, F.normalize(self.prototypes.weight, dim=1))

    def _queue_in_use(self, batch: int, moment: Moment) -> bool:
        """After its share of training, and never before it is full."""
        full = moment.step * batch >= self.spec.queue
        return self.spec.queue > 0 and full and moment.fraction >= self.spec.queue_start

    @torch.no_grad()
    def _enqueue(self, projections: list[Tensor]) -> None:
        pairs = zip(self.queue, projections, strict=True)
        self.queue = torch.stack([enqueued(kept, self.queue_start, projection) for kept, projection in pairs])
        self.queue_start = (self.queue_start + len(projections[0])) % self.spec.queue

    def before_step(self, moment: Moment) -> None:
        if moment.fraction < self.spec.freeze_prototypes:
            self.prototypes.weight.grad = None
