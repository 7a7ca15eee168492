"""Each batched operation does to each image what PIL and torchvision do to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from tiny_training import random_images
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from dlth_bench.training.views.augment import to_float
from dlth_bench.training.views.policies import GEOMETRY, POINT_OPERATIONS, solarize_add, warped

IMAGES = random_images(6, channels=3, size=24)
ARGUMENTS = torch.tensor([0.1, 0.7, 1.0, 1.3, 1.9, 0.55])


def _smooth() -> Tensor:
    """Images of few grey levels and narrow range, for operations that look at histograms."""
    return (IMAGES // 16 + 100).clone()


POINTS = [
    ("Brightness", ARGUMENTS, TF.adjust_brightness),
    ("Color", ARGUMENTS, TF.adjust_saturation),
    ("Contrast", ARGUMENTS, TF.adjust_contrast),
    ("Sharpness", ARGUMENTS, TF.adjust_sharpness),
    ("Invert", ARGUMENTS, lambda image, _: TF.invert(image)),
    ("AutoContrast", ARGUMENTS, lambda image, _: TF.autocontrast(image)),
]


@pytest.mark.parametrize(("name", "arguments", "theirs"), POINTS, ids=[name for name, *_ in POINTS])
@pytest.mark.parametrize("images", [IMAGES, _smooth()], ids=["noise", "narrow"])
def test_operations_on_colours_are_torchvision_s(
    name: str, arguments: Tensor, theirs: Callable[[Tensor, float], Tensor], images: Tensor
) -> None:
    """Sample by sample, the batch equals torchvision's operation on floats with that sample's argument."""
    floats = to_float(images)
    ours = POINT_OPERATIONS[name](floats.clone(), arguments)
    expected = torch.stack([theirs(image, float(a)) for image, a in zip(floats, arguments, strict=True)])
    torch.testing.assert_close(ours, expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("images", [IMAGES, _smooth()], ids=["noise", "narrow"])
def test_operations_on_levels_are_pil_s(images: Tensor) -> None:
    """Posterize, solarize and equalize equal PIL's on 8-bit images to the last level."""
    bits, thresholds = torch.tensor([8, 7, 5, 4, 2, 1]), torch.tensor([0, 64, 105, 128, 200, 256])
    theirs = {
        "Posterize": (bits, lambda image, a: ImageOps.posterize(image, int(a))),
        "Solarize": (thresholds, lambda image, a: ImageOps.solarize(image, int(a))),
        "Equalize": (bits, lambda image, a: ImageOps.equalize(image)),
    }
    for name, (arguments, operation) in theirs.items():
        ours = POINT_OPERATIONS[name](to_float(images), arguments.float())
        for image, argument, result in zip(images, arguments, ours, strict=True):
            picture = Image.fromarray(image.permute(1, 2, 0).numpy())
            expected = np.asarray(operation(picture, argument))
            np.testing.assert_array_equal((result * 255).round().byte().permute(1, 2, 0).numpy(), expected, name)


def test_solarize_add_brightens_the_dark_half() -> None:
    """As timm's look-up table: add below 128, at most 255."""
    ours = solarize_add(to_float(IMAGES), torch.full((6,), 90.0))
    levels = IMAGES.int()
    expected = torch.where(levels < 128, (levels + 90).clamp(max=255), levels)
    assert torch.equal((ours * 255).round().int(), expected)


MATRICES = {
    "ShearX": (0.2, (1, 0.2, 0, 0, 1, 0)),
    "ShearY": (-0.3, (1, 0, 0, -0.3, 1, 0)),
    "TranslateX": (5.0, (1, 0, 5, 0, 1, 0)),
    "TranslateY": (-3.5, (1, 0, 0, 0, 1, -3.5)),
}


@pytest.mark.parametrize("name", list(MATRICES))
def test_geometry_is_pil_s_inside(name: str) -> None:
    """Shears and shifts equal PIL's affine transform as timm calls it, wherever no pixel comes from outside."""
    argument, matrix = MATRICES[name]
    images = to_float(random_images(3, size=24))
    mapping = GEOMETRY[name](torch.full((3,), argument), 24, 24)
    ours = warped(images, mapping, "bilinear")
    inside = warped(torch.ones_like(images), mapping, "bilinear") > 1 - 1e-5
    assert 0.3 < inside.float().mean() < 1
    for image, result, mask in zip(images, ours, inside, strict=True):
        picture = Image.fromarray(image[0].numpy())
        theirs = np.asarray(picture.transform((24, 24), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))
        np.testing.assert_allclose(result[0][mask[0]], theirs[mask[0].numpy()], atol=1e-4)


@pytest.mark.parametrize("degrees", [30.0, -90.0, 135.0])
def test_rotation_is_torchvision_s(degrees: float) -> None:
    """About the centre, by bilinear interpolation, up to the direction, which policies draw."""
    images = to_float(IMAGES)
    ours = warped(images, GEOMETRY["Rotate"](torch.full((6,), degrees), 24, 24), "bilinear")
    theirs = TF.rotate(images, -degrees, TF.InterpolationMode.BILINEAR)
    other = TF.rotate(images, degrees, TF.InterpolationMode.BILINEAR)
    assert min((ours - theirs).abs().max(), (ours - other).abs().max()) < 1e-3


def test_what_comes_from_outside_has_the_fill_colour() -> None:
    """A shift by more than the image leaves the fill alone."""
    mapping = GEOMETRY["TranslateX"](torch.full((6,), 30.0), 24, 24)
    shifted = warped(to_float(IMAGES), mapping, "bicubic", (0.2, 0.4, 0.6))
    torch.testing.assert_close(shifted, torch.tensor([0.2, 0.4, 0.6])[:, None, None].expand(6, 3, 24, 24))
