"""Barlow Twins: the cross-correlation of two views' features becomes the identity.

Zbontar et al. 2021 (arXiv:2103.03230). Head and loss are lightly's.
"""

from __future__ import annotations

from lightly.loss import BarlowTwinsLoss
from lightly.models.modules.heads import BarlowTwinsProjectionHead
from torch import Tensor, nn

from dlth_bench.protocols.methods import BarlowTwinsSpec
from dlth_bench.training.methods.method import Moment, TwoViewMethod, Views
from dlth_bench.training.parallel.processes import gather_with_gradient
from dlth_bench.training.views.augment import Pixels


class BarlowTwins(TwoViewMethod):
    """Encoder and a head of three layers; the batch alone couples samples."""

    couples = "its loss is on the correlations over a batch"
    whole_loss = True

    def __init__(self, spec: BarlowTwinsSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__(spec, backbone, pixels)
        self.head = BarlowTwinsProjectionHead(width, spec.hidden_dim, spec.dim)
        self.loss = BarlowTwinsLoss(lambda_param=spec.redundancy_weight)
        self.scale = spec.loss_scale

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        first, second = (gather_with_gradient(self.head(self.encoder(view)), self.split) for view in views)
        # The scale matters: 1-D parameters move by plain SGD, also under LARS.
        loss: Tensor = self.scale * self.loss(first, second)
        return loss
