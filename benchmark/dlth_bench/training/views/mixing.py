"""Mixup and CutMix: each sample of a batch mixed with its mirror in the batch, as timm does.

Zhang et al. 2018 (arXiv:1710.09412), Yun et al. 2019 (arXiv:1905.04899).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Box = tuple[int, int, int, int]
"""Top, bottom, left, right in pixels, the end excluded."""


def mixed_up(images: Tensor, weight: float) -> Tensor:
    """``weight`` of each image and the rest of its mirror in the batch."""
    return torch.lerp(images.flip(0), images, weight)


def cut_box(weight: float, height: int, width: int) -> Box:
    """A rectangle of 1 - ``weight`` of the image around a random pixel, cut to the image."""
    side = math.sqrt(1 - weight)
    cut_height, cut_width = int(height * side), int(width * side)
    row, column = int(torch.randint(height, ())), int(torch.randint(width, ()))
    top, bottom = row - cut_height // 2, row + (cut_height + 1) // 2
    left, right = column - cut_width // 2, column + (cut_width + 1) // 2
    return max(top, 0), min(bottom, height), max(left, 0), min(right, width)


def cut_mixed(images: Tensor, box: Box) -> tuple[Tensor, float]:
    """Each image with a rectangle of its mirror in the batch, and the share of pixels that are its own."""
    top, bottom, left, right = box
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = images.flip(0)[..., top:bottom, left:right]
    height, width = images.shape[2:]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


class Mixing:
    """Mixup or CutMix of every batch, each of both with chance 1/2 where both are on.

    Args:
        mixup, cutmix: parameter of the Beta distribution from which a weight a batch is drawn; 0: off.
    """

    def __init__(self, mixup: float, cutmix: float) -> None:
        self.mixup = _beta(mixup) if mixup else None
        self.cutmix = _beta(cutmix) if cutmix else None

    @property
    def active(self) -> bool:
        return self.mixup is not None or self.cutmix is not None

    def __call__(self, images: Tensor) -> tuple[Tensor, float]:
        """The mixed images and the weight of each one's own label; draws from torch's global generator."""
        cuts = self.cutmix is not None and (self.mixup is None or bool(torch.rand(()) < 0.5))
        if cuts and self.cutmix is not None:
            box = cut_box(self.cutmix.sample().item(), *images.shape[2:])
            return cut_mixed(images, box)
        if self.mixup is None:
            return images, 1.0
        weight = self.mixup.sample().item()
        return mixed_up(images, weight), weight


def _beta(parameter: float) -> torch.distributions.Beta:
    """On the CPU whatever torch's default device: a draw is a number, and needs no transfer."""
    both = torch.tensor(parameter, device="cpu")
    return torch.distributions.Beta(both, both)
