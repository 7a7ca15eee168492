"""What evaluation sees of an image."""

from __future__ import annotations

from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from dlth_bench.spec.recipe import EvalViewSpec


def evaluation_view(images: Tensor, spec: EvalViewSpec) -> Tensor:
    """The central square (batch, channels, crop, crop) of uint8 images after a resize of their shorter side."""
    resized = TF.resize(images, [spec.resize], InterpolationMode(spec.interpolation), antialias=True)
    square: Tensor = TF.center_crop(resized, [spec.crop])
    return square
