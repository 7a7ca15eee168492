"""What evaluation sees is torchvision's Resize and CenterCrop, and large images get every part of an augmentation."""

from __future__ import annotations

import pytest
import torch
from tiny_training import random_images
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from dlth_bench.protocols.recipe import AugmentSpec, EvalViewSpec
from dlth_bench.training.samples import RaggedImages, margin
from dlth_bench.training.views.augment import Augment, Pixels, to_float, unaugmented

SIZES = [(64, 64), (64, 90), (80, 70), (120, 64)]


def _smooth(height: int, width: int, seed: int) -> Tensor:
    """An image (3, height, width) without sharp edges, as photographs are."""
    coarse = random_images(1, channels=3, size=8, seed=seed).float()
    return TF.resize(coarse, [height, width], InterpolationMode.BICUBIC).clamp(0, 255).byte()[0]


def _ragged(images: list[Tensor]) -> RaggedImages:
    """Images of different sizes as training holds them."""
    longest = max(max(image.shape[1:]) for image in images)
    flat = [image.permute(1, 2, 0).reshape(-1) for image in images]
    sizes = torch.tensor([len(pixels) for pixels in flat])
    height, width = (torch.tensor([image.shape[side] for image in images]) for side in (1, 2))
    pixels = torch.cat([*flat, torch.zeros(margin(longest), dtype=torch.uint8)])
    shorter = max(min(image.shape[1:]) for image in images)
    return RaggedImages(pixels, sizes.cumsum(0) - sizes, height, width, shorter, longest)


IMAGES = [_smooth(*size, seed) for seed, size in enumerate(SIZES)]


def _expected(image: Tensor, view: EvalViewSpec) -> Tensor:
    kernel = InterpolationMode(view.interpolation)
    resized = TF.resize(to_float(image[None]), [view.resize], kernel, antialias=True).clamp_(0, 1)
    return TF.center_crop(resized, [view.crop])[0]


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "crop"), [(64, 56), (48, 40)])
def test_large_images_are_seen_as_torchvision_shows_them(kernel: str, resize: int, crop: int) -> None:
    """Shorter side resized by the view's kernel, central square, for every image of a batch of different sizes."""
    view = EvalViewSpec(resize=resize, crop=crop, interpolation=kernel)
    pixels = Pixels(999, (0.0,) * 3, (1.0,) * 3, view)
    seen = unaugmented(_ragged(IMAGES), pixels)
    assert seen.shape == (4, 3, crop, crop)
    for image, ours in zip(IMAGES, seen, strict=True):
        torch.testing.assert_close(ours, _expected(image, view), atol=0.02, rtol=0)
        alone = unaugmented(image[None], pixels)[0]
        torch.testing.assert_close(alone, _expected(image, view), atol=0.006, rtol=0)  # rounded to 8 bits between


def test_large_images_get_policy_and_erasing() -> None:
    """An augmentation's policy, kernel and erasing apply to images of different sizes as to others."""
    plain = AugmentSpec(size=32, crop_scale=(0.5, 1.0), interpolation="bicubic")
    pixels = Pixels(64, (0.3, 0.4, 0.5), (1.0,) * 3)
    images = _ragged([image for image in IMAGES for _ in range(50)])

    def views(**changes: object) -> Tensor:
        spec = plain.model_copy(update=changes)
        return Augment(spec, pixels)(images, torch.Generator().manual_seed(0))

    def changed(other: Tensor) -> float:
        return (views() != other).flatten(1).any(1).float().mean().item()

    assert changed(views(interpolation="bilinear")) == 1
    assert changed(views(policy="trivialaugment")) > 0.6
    erased = views(erase=0.25)
    assert 0.15 < changed(erased) < 0.35
    assert (erased[(views() != erased)] == 0).all()
