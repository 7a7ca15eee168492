"""SimCLR: the two views of an image are picked out among all views of the batch.

Chen et al. 2020 (arXiv:2002.05709). Head and loss (NT-Xent) are lightly's.
"""

from __future__ import annotations

from lightly.loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from torch import Tensor, nn

from dlth_bench.protocols.methods import SimCLRSpec
from dlth_bench.training.methods.method import Moment, TwoViewMethod, Views
from dlth_bench.training.parallel.processes import gather_with_gradient
from dlth_bench.training.views.augment import Pixels


class SimCLR(TwoViewMethod):
    """Encoder and a two-layer head without batch norm; the batch alone couples samples."""

    couples = "its loss compares the samples of a batch"
    whole_loss = True

    def __init__(self, spec: SimCLRSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__(spec, backbone, pixels)
        self.head = SimCLRProjectionHead(width, spec.hidden_dim, spec.dim, num_layers=2, batch_norm=False)
        self.loss = NTXentLoss(temperature=spec.temperature)

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        first, second = (gather_with_gradient(self.head(self.encoder(view)), self.split) for view in views)
        loss: Tensor = self.loss(first, second)
        return loss
