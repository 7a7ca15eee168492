"""Supervised training with cross-entropy, from scratch or from a pretrained encoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlth_bench.spec.recipe import AugmentSpec
from dlth_bench.training.augment import Augment, Pixels
from dlth_bench.training.methods.base import Method, Moment, Views
from dlth_bench.training.ragged import Images


class Supervised(Method):
    """An encoder and a linear head trained together."""

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module,
        *,
        augment: AugmentSpec,
        pixels: Pixels,
        label_smoothing: float = 0.0,
        mixup: float = 0.0,
    ) -> None:
        super().__init__()
        self.augment = Augment(augment, pixels)
        self.encoder = encoder
        self.head = head
        self.label_smoothing = label_smoothing
        self.mixup = torch.distributions.Beta(mixup, mixup) if mixup else None

    def views(self, images: Images, generator: torch.Generator) -> Views:
        return (self.augment(images, generator),)

    def forward(self, views: Views, labels: Tensor, moment: Moment) -> Tensor:
        (images,) = views
        if self.mixup is None:
            return F.cross_entropy(self.logits(images), labels, label_smoothing=self.label_smoothing)
        # One weight a batch, each sample mixed with its mirror in the batch, as timm does.
        weight = self.mixup.sample().item()
        logits = self.logits(torch.lerp(images.flip(0), images, weight))
        own = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        other = F.cross_entropy(logits, labels.flip(0), label_smoothing=self.label_smoothing)
        return weight * own + (1 - weight) * other

    def logits(self, images: Tensor) -> Tensor:
        """Class scores (batch, classes) of normalised images (batch, channels, height, width)."""
        scores: Tensor = self.head(self.encoder(images))
        return scores
