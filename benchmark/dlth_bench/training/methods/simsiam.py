"""SimSiam: a predictor maps one view's projection to the other's, through which no gradient flows.

Chen and He 2021 (arXiv:2011.10566). Heads and loss are lightly's.
"""

from __future__ import annotations

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import SimSiamPredictionHead, SimSiamProjectionHead
from torch import Tensor, nn

from dlth_bench.protocols.methods import SimSiamSpec
from dlth_bench.training.methods.method import Moment, TwoViewMethod, Views
from dlth_bench.training.views.augment import Pixels


class SimSiam(TwoViewMethod):
    """Encoder, projection head and predictor."""

    # The original does not decay the predictor's learning rate (section 4.2).
    unscheduled = ("predictor.",)

    def __init__(self, spec: SimSiamSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__(spec, backbone, pixels)
        self.head = SimSiamProjectionHead(width, spec.hidden_dim, spec.dim)
        self.predictor = SimSiamPredictionHead(spec.dim, spec.predictor_dim, spec.dim)
        self.loss = NegativeCosineSimilarity()

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        first, second = (self.head(self.encoder(view)) for view in views)
        towards_second = self.loss(self.predictor(first), second.detach())
        towards_first = self.loss(self.predictor(second), first.detach())
        loss: Tensor = (towards_second + towards_first) / 2
        return loss
