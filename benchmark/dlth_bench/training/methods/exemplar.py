"""Exemplar: each image is a class of its own, whose members are its augmented views.

Dosovitskiy et al. 2016 (arXiv:1406.6909), as a triplet margin loss after Doersch and Zisserman 2017
(arXiv:1708.07860), which scales to any number of images. The papers on tickets leave the loss's details open, and
later code mines hard or semi-hard triplets; all that follows is our choice. P images with K views each make a batch,
views differ by the augmentation and small rotations, distances are cosine distances of linear embeddings, and of each
view the positive is the image's next view and the negative the same view of the next image in the (random) batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlth_bench.protocols.methods import ExemplarSpec
from dlth_bench.training.methods.method import Method, Moment, Views
from dlth_bench.training.samples import Images
from dlth_bench.training.views.augment import Augment, Pixels
from dlth_bench.training.views.policies import moved, rotate


def cosine_distance(one: Tensor, other: Tensor) -> Tensor:
    """Of the rows of (batch, dim): 0 in the same direction, 2 in opposite ones."""
    return 1 - F.cosine_similarity(one, other)


class Exemplar(Method):
    """Encoder and linear embedding; batch norm sees all views together. The loss is torch's."""

    def __init__(self, spec: ExemplarSpec, backbone: nn.Module, width: int, pixels: Pixels) -> None:
        super().__init__()
        self.spec = spec
        self.augment = Augment(spec.augment, pixels)
        self.encoder = backbone
        self.head = nn.Linear(width, spec.dim)
        self.loss = nn.TripletMarginWithDistanceLoss(distance_function=cosine_distance, margin=spec.margin)

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return tuple(self._turned(self.augment(images, generator), generator) for _ in range(self.spec.views))

    def _turned(self, view: Tensor, generator: torch.Generator) -> Tensor:
        """Each image turned by an angle of its own; the mean colour comes into view at the corners."""
        draws = torch.rand(len(view), generator=generator, device=view.device)
        return moved(view, rotate((2 * draws - 1) * self.spec.rotation, *view.shape[2:]), "bilinear")

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        embedded: tuple[Tensor, ...] = self.head(self.encoder(torch.cat(views))).chunk(len(views))
        following = embedded[1:] + embedded[:1]
        terms = [
            self.loss(anchor, positive, positive.roll(1, 0))
            for anchor, positive in zip(embedded, following, strict=True)
        ]
        return torch.stack(terms).mean()
