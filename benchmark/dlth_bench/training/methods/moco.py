"""MoCo v1, v2 and v2+: contrast of two views against a queue of momentum-encoded keys.

He et al. 2020 (arXiv:1911.05722), Chen et al. 2020 (arXiv:2003.04297); v2+ is solo-learn's symmetric variant.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn

from dlth_bench.protocols.methods import MoCoSpec
from dlth_bench.training.methods.method import Method, Moment, MovingAverage, Views, enqueued, frozen_copy
from dlth_bench.training.parallel.batch_norm import group_batch_norms, regroup
from dlth_bench.training.parallel.processes import BatchSplit, gather, own_part
from dlth_bench.training.samples import Images
from dlth_bench.training.views.augment import Augment, Pixels
from dlth_bench.util.errors import InputError


class MoCo(Method):
    """Query encoder, momentum key encoder and queue.

    The queue is a persistent buffer: lightly's memory bank is not, and a resumed run would lose it.
    """

    independent_views = True
    couples = "the keys of a batch enter the queue together"

    queue: Tensor
    first_view_queue: Tensor
    queue_start: Tensor

    def __init__(self, spec: MoCoSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__()
        self.spec = spec
        self.augment = Augment(spec.augment, pixels)
        self.encoder = backbone
        if spec.batch_norm_groups is not None:
            group_batch_norms(self.encoder, spec.batch_norm_groups)
        hidden = spec.hidden_dim or width
        self.head = (
            nn.Sequential(nn.Linear(width, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, spec.dim))
            if spec.mlp
            else nn.Sequential(nn.Linear(width, spec.dim))
        )
        self.key_encoder = frozen_copy(self.encoder)
        self.key_head = frozen_copy(self.head)
        self.average = MovingAverage([(self.key_encoder, self.encoder), (self.key_head, self.head)])
        self.register_buffer("queue", F.normalize(torch.randn(spec.queue, spec.dim), dim=1))
        if spec.symmetric:
            self.register_buffer("first_view_queue", F.normalize(torch.randn(spec.queue, spec.dim), dim=1))
        self.register_buffer("queue_start", torch.zeros((), dtype=torch.long))

    def share(self, split: BatchSplit) -> None:
        groups, processes = self.spec.batch_norm_groups, len(split.parts)
        if groups is not None:
            if groups % processes:
                raise InputError(f"{groups} batch-norm groups on {processes} devices: must divide")
            for encoder in (self.encoder, self.key_encoder):
                regroup(encoder, groups // processes)
        super().share(split)

    def views(self, images: Images, generator: torch.Generator) -> Views:
        # Both views as one batch: half the calls.
        queries, keys = self.augment(images.repeat(2, 1, 1, 1), generator).chunk(2)
        return queries, keys

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        temperature = self.spec.temperature
        if self.spec.symmetric:
            first, second = (F.normalize(self.head(self.encoder(view)), dim=1) for view in views)
            self._update_keys(moment)
            first_keys, second_keys = (self._keys(view) for view in views)
            # A query meets earlier keys of the view that its own key is of.
            loss = info_nce(first, second_keys, self.queue, temperature)
            loss = (loss + info_nce(second, first_keys, self.first_view_queue, temperature)) / 2
            self._enqueue(second_keys, first_keys)
            return loss
        queries = F.normalize(self.head(self.encoder(views[0])), dim=1)
        # The momentum update comes between query and key, as in the original builder.
        self._update_keys(moment)
        keys = self._keys(views[1])
        loss = info_nce(queries, keys, self.queue, temperature)
        self._enqueue(keys)
        return loss

    def _update_keys(self, moment: Moment) -> None:
        start, end = self.spec.momentum, self.spec.final_momentum
        momentum = start if end is None else cosine_schedule(moment.step, moment.total, start, end)
        self.average.update(momentum)

    @torch.no_grad()
    def _keys(self, view: Tensor) -> Tensor:
        if self.spec.batch_norm_groups is None:
            return F.normalize(self.key_head(self.key_encoder(view)), dim=1)
        # Keys are normalised among other samples than their queries, so that batch statistics cannot give them away.
        everywhere = gather(view, self.split)
        # All processes have the same state of the CPU's generator, so they draw the same order.
        order = torch.randperm(len(everywhere), pin_memory=view.is_cuda).to(view.device, non_blocking=True)
        keys = F.normalize(self.key_head(self.key_encoder(own_part(everywhere[order], self.split))), dim=1)
        return own_part(gather(keys, self.split)[order.argsort()], self.split)

    @torch.no_grad()
    def _enqueue(self, keys: Tensor, first_view_keys: Tensor | None = None) -> None:
        """Replace the oldest keys by those of all processes."""
        keys = gather(keys, self.split)
        self.queue = enqueued(self.queue, self.queue_start, keys)
        if first_view_keys is not None:
            first_view_keys = gather(first_view_keys, self.split)
            self.first_view_queue = enqueued(self.first_view_queue, self.queue_start, first_view_keys)
        self.queue_start = (self.queue_start + len(keys)) % len(self.queue)


def info_nce(queries: Tensor, keys: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of picking a query's own key among its key and the negatives, all L2-normalised.

    Queries and keys are (batch, dim), negatives (queue, dim).
    """
    positive = (queries * keys).sum(1, keepdim=True)
    logits = torch.cat([positive, queries @ negatives.T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(queries), dtype=torch.long, device=queries.device))
