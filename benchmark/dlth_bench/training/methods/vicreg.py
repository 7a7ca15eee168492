"""VICReg: invariance to the view, variance of each feature, no covariance between features.

Bardes et al. 2022 (arXiv:2105.04906). Head and loss are lightly's.
"""

from __future__ import annotations

from lightly.loss import VICRegLoss
from lightly.models.modules.heads import VICRegProjectionHead
from torch import Tensor, nn

from dlth_bench.protocols.methods import VICRegSpec
from dlth_bench.training.methods.method import Moment, TwoViewMethod, Views
from dlth_bench.training.parallel.processes import gather_with_gradient
from dlth_bench.training.views.augment import Pixels


class VICReg(TwoViewMethod):
    """Encoder and a head of three layers; the batch alone couples samples."""

    couples = "its loss is on the variances over a batch"
    whole_loss = True

    def __init__(self, spec: VICRegSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__(spec, backbone, pixels)
        self.head = VICRegProjectionHead(width, spec.hidden_dim, spec.dim)
        self.loss = VICRegLoss(
            lambda_param=spec.invariance_weight,
            # Equation 6 sums the variance terms of the two views; lightly, as the original code, takes their mean.
            mu_param=2 * spec.variance_weight,
            nu_param=spec.covariance_weight,
        )

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        first, second = (gather_with_gradient(self.head(self.encoder(view)), self.split) for view in views)
        loss: Tensor = self.loss(first, second)
        return loss
