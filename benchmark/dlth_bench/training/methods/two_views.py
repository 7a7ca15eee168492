"""What the methods on two views of each image have in common."""

from __future__ import annotations

import torch
from torch import nn

from dlth_bench.spec.two_views import TwoViewSpec
from dlth_bench.training.augment import Augment, Pixels
from dlth_bench.training.methods.base import Method, Views
from dlth_bench.training.ragged import Images


class TwoViewMethod(Method):
    """An encoder that is trained on two augmented views of each image.

    Each view goes through the networks on its own, so that batch norm sees one view at a time, as in the originals.
    """

    independent_views = True

    def __init__(self, spec: TwoViewSpec, backbone: nn.Module, pixels: Pixels) -> None:
        super().__init__()
        self.encoder = backbone
        self.augments = [Augment(view, pixels) for view in spec.views]

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return tuple(augment(images, generator) for augment in self.augments)
