"""BYOL: an online network predicts a momentum target's projection of the other view.

Grill et al. 2020 (arXiv:2006.07733). Heads and similarity are lightly's.
"""

from __future__ import annotations

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn

from dlth_bench.protocols.methods import BYOLSpec
from dlth_bench.training.methods.method import Moment, MovingAverage, TwoViewMethod, Views, frozen_copy
from dlth_bench.training.views.augment import Pixels


class BYOL(TwoViewMethod):
    """Online encoder, head and predictor; target encoder and head. The online encoder is what is evaluated."""

    def __init__(self, spec: BYOLSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__(spec, backbone, pixels)
        self.momentum, self.scale = spec.momentum, spec.loss_scale
        self.head = BYOLProjectionHead(width, spec.hidden_dim, spec.dim)
        self.predictor = BYOLPredictionHead(spec.dim, spec.predictor_dim, spec.dim)
        self.target_encoder = frozen_copy(self.encoder)
        self.target_head = frozen_copy(self.head)
        self.average = MovingAverage([(self.target_encoder, self.encoder), (self.target_head, self.head)])
        self.similarity = NegativeCosineSimilarity()

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        first, second = (self.predictor(self.head(self.encoder(view))) for view in views)
        with torch.no_grad():
            first_target, second_target = (self.target_head(self.target_encoder(view)) for view in views)
        # Equation 2, the squared distance of unit vectors, is 2 - 2 cos; the two directions are summed.
        similarity = self.similarity(first, second_target) + self.similarity(second, first_target)
        loss: Tensor = self.scale * (4 + 2 * similarity)
        return loss

    def after_step(self, moment: Moment) -> None:
        momentum = cosine_schedule(moment.step, moment.total, self.momentum, 1.0)
        self.average.update(momentum)
