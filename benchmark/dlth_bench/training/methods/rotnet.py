"""RotNet: a network tells by how many quarter turns an image was rotated.

Gidaris et al. 2018 (arXiv:1803.07728), section 2: a batch holds all four rotations of each of its images.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlth_bench.protocols.methods import RotNetSpec
from dlth_bench.training.methods.method import Method, Moment, Views
from dlth_bench.training.networks import linear_head
from dlth_bench.training.samples import Images
from dlth_bench.training.views.augment import Augment, Pixels

ROTATIONS = 4


def four_rotations(view: Tensor) -> Views:
    """Square images (batch, channels, side, side) after 0, 1, 2 and 3 quarter turns counter-clockwise."""
    return tuple(torch.rot90(view, turns, (2, 3)) for turns in range(ROTATIONS))


def quarter_turns(rows: int, device: torch.device) -> Tensor:
    """The label of each of ``rows`` images, int64: those of `four_rotations`, one rotation after the other."""
    return torch.arange(ROTATIONS, device=device).repeat_interleave(rows // ROTATIONS)


def rotation_loss(scores: Tensor) -> Tensor:
    """Mean cross-entropy of the scores (4 batch, 4) of `four_rotations`, one rotation after the other."""
    return F.cross_entropy(scores, quarter_turns(len(scores), scores.device))


class RotNet(Method):
    """Encoder and linear classifier of rotations; batch norm sees the four rotations together."""

    def __init__(self, spec: RotNetSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__()
        self.augment = Augment(spec.augment, pixels)
        self.encoder = backbone
        self.head = linear_head(width, ROTATIONS)

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return four_rotations(self.augment(images, generator))

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        return rotation_loss(self.logits(torch.cat(views)))

    def logits(self, images: Tensor) -> Tensor:
        """Scores of rotations (batch, 4) of normalised images."""
        scores: Tensor = self.head(self.encoder(images))
        return scores

    def correct_turns(self, images: Tensor) -> Tensor:
        """How many of the four rotations of each image are recognised, int64 (batch,)."""
        told = self.logits(torch.cat(four_rotations(images))).argmax(1)
        return (told == quarter_turns(len(told), told.device)).view(ROTATIONS, -1).sum(0)
