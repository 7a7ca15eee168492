"""S4L-Rotation: classes of few labelled images and rotations of all images, learned together.

Zhai et al. 2019 (arXiv:1905.03670), section 3. As in the authors' code a labelled image is classified in all four
rotations, and both losses are of one pass through the network.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlth_bench.protocols.methods import S4LSpec
from dlth_bench.training.data import UNLABELLED
from dlth_bench.training.methods.method import Moment, Views
from dlth_bench.training.methods.rotnet import ROTATIONS, four_rotations, rotation_loss
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.networks import linear_head
from dlth_bench.training.samples import Images
from dlth_bench.training.views.augment import Pixels


class S4L(Supervised):
    """An encoder with a classifier of classes, which is evaluated, and one of rotations.

    Labels are -1 of samples without; half of each batch is of these (`data.half_labelled_order`).
    """

    half_labelled = True

    def __init__(self, spec: S4LSpec, backbone: nn.Module, width: int, classes: int, pixels: Pixels) -> None:
        super().__init__(backbone, linear_head(width, classes), augment=spec.augment, pixels=pixels)
        self.rotation_head = linear_head(width, ROTATIONS)
        self.weight = spec.weight

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return four_rotations(self.augment(images, generator))

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        features = self.encoder(torch.cat(views))
        known = F.cross_entropy(self.head(features), labels.repeat(ROTATIONS), ignore_index=UNLABELLED)
        return known + self.weight * rotation_loss(self.rotation_head(features))
