"""Linear evaluation: a classifier trained on frozen features.

Features are computed once from unaugmented images, or of a new view of each image at every step, as the original
ImageNet evaluations do. For small images the former is hundreds of times cheaper, and it takes augmentation out of
the measurement.
"""

from __future__ import annotations

from typing import Self

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from dlth_bench.spec.method import Features, LinearSpec
from dlth_bench.spec.recipe import AugmentSpec
from dlth_bench.training.augment import Augment, Pixels
from dlth_bench.training.backbones import linear_head
from dlth_bench.training.evaluation.accuracy import BATCH, in_batches
from dlth_bench.training.methods.base import Method, Moment, Views
from dlth_bench.training.ragged import Images
from dlth_bench.training.samples import Samples


def extract_features(encoder: nn.Module, images: Samples, pixels: Pixels, kind: Features) -> Tensor:
    """Features (samples, width) of uint8 images, the encoder in evaluation mode."""
    encoder.eval()
    return in_batches(lambda batch: _features(encoder, batch, kind), images, pixels).float()


def _features(encoder: nn.Module, images: Tensor, kind: Features) -> Tensor:
    if kind == "pooled":
        pooled: Tensor = encoder(images)
        return pooled
    if not isinstance(encoder, VisionTransformer):
        raise ValueError(f"features '{kind}' need a vision transformer; this backbone has 'pooled'")
    if kind == "cls_last4":
        # DINO's ViT-S protocol: class tokens of the last four blocks, each after the final norm.
        blocks = encoder.get_intermediate_layers(images, n=4, return_prefix_tokens=True, norm=True)
        return torch.cat([prefix[:, 0] for _, prefix in blocks], dim=1)
    tokens = encoder.forward_features(images)
    if kind == "cls":
        return tokens[:, 0]
    return torch.cat([tokens[:, 0], tokens[:, encoder.num_prefix_tokens :].mean(1)], dim=1)


class LinearProbe(Method):
    """The classifier as a method of the common loop; its "images" are features."""

    def __init__(self, spec: LinearSpec, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False, eps=1e-6) if spec.batch_norm else nn.Identity()
        self.head = linear_head(width, classes)
        self.encoder = self.head

    def views(self, images: Images, generator: torch.Generator) -> Views:
        if not isinstance(images, Tensor):
            raise TypeError("a probe takes features")
        return (images,)

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        return F.cross_entropy(self.logits(views[0]), labels)

    def logits(self, features: Tensor) -> Tensor:
        """Class scores (batch, classes) of features (batch, width)."""
        scores: Tensor = self.head(self.norm(features))
        return scores


class AugmentedProbe(LinearProbe):
    """The classifier with the frozen encoder in front of it, which sees a new view of each image at every step."""

    def __init__(
        self, spec: LinearSpec, augment: AugmentSpec, encoder: nn.Module, width: int, classes: int, pixels: Pixels
    ) -> None:
        super().__init__(spec, width, classes)
        self.augment = Augment(augment, pixels)
        self.features = spec.features
        self.frozen = encoder.requires_grad_(False)

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return (self.augment(images, generator),)

    @torch.no_grad()
    def _features_of(self, images: Tensor) -> Tensor:
        # In parts, since batches of thousands do not fit; no sample's features depend on another's.
        return torch.cat([_features(self.frozen, part, self.features) for part in torch.split(images, BATCH)])

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        return super().forward((self._features_of(views[0]),), labels, moment)

    def train(self, mode: bool = True) -> Self:
        """The classifier's mode; the encoder stays in evaluation mode."""
        super().train(mode)
        self.frozen.eval()
        return self


def linear_probe(spec: LinearSpec, encoder: nn.Module, width: int, classes: int, pixels: Pixels) -> LinearProbe:
    """A fresh classifier of features ``width`` wide, which computes them itself where the spec augments."""
    if spec.augment is None:
        return LinearProbe(spec, width, classes)
    return AugmentedProbe(spec, spec.augment, encoder, width, classes, pixels)
