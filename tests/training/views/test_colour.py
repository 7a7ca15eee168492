"""Colour augmentation does to each image of a batch what torchvision does to one, with draws of its own."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from tiny_training import GREY, IDENTITY, random_images
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.training.views.augment import Augment, Pixels, to_float
from dlth_bench.training.views.colour import BRIGHTNESS, CONTRAST, HUE, SATURATION, Jitter, hue_shifted, jittered, luma
from dlth_bench.util.errors import InputError

RGB = Pixels(32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""No normalisation: views are in [0, 1]."""

ORDERS = list(itertools.permutations(range(4)))
THEIRS: dict[int, Callable[[Tensor, float], Tensor]] = {
    BRIGHTNESS: TF.adjust_brightness,
    CONTRAST: TF.adjust_contrast,
    SATURATION: TF.adjust_saturation,
    HUE: TF.adjust_hue,
}


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _images(samples: int) -> Tensor:
    """Noise, some of it without colour and some with saturated channels, where hue and clipping have special cases."""
    images = to_float(random_images(samples, channels=3, size=12))
    images[::5] = images[::5, :1]
    return ((images - 0.5) * 1.3 + 0.5).clamp(0, 1)


def _jitter(samples: int) -> Jitter:
    draws = torch.rand((4, samples), generator=_generator(1))
    order = torch.tensor([ORDERS[sample % len(ORDERS)] for sample in range(samples)]).T
    return Jitter(*(0.2 + 1.6 * draws[:3]), draws[3] - 0.5, order)


def _expected(image: Tensor, jitter: Jitter, sample: int) -> Tensor:
    for operation in jitter.order[:, sample].tolist():
        image = THEIRS[operation](image, float(jitter[operation][sample]))
    return image


def test_jitter_is_torchvision_s_in_each_sample_s_order() -> None:
    """Strengths and all 24 orders differ from sample to sample; each equals torchvision's four calls on one image."""
    images, jitter = _images(72), _jitter(72)
    ours = jittered(images, jitter)
    for sample, image in enumerate(images):
        torch.testing.assert_close(ours[sample], _expected(image, jitter, sample), atol=2e-5, rtol=0)


@pytest.mark.parametrize("operation", range(4))
def test_each_operation_alone_is_torchvision_s(operation: int) -> None:
    """With the other strengths neutral, a jitter is the one operation."""
    neutral = [torch.ones(40), torch.ones(40), torch.ones(40), torch.zeros(40)]
    jitter = _jitter(40)
    neutral[operation] = jitter[operation]
    images = _images(40)
    ours = jittered(images, Jitter(*neutral, jitter.order))
    for sample, image in enumerate(images):
        expected = THEIRS[operation](image, float(jitter[operation][sample]))
        torch.testing.assert_close(ours[sample], expected, atol=2e-5, rtol=0)


def test_luma_is_torchvision_s() -> None:
    """Greyscale has torchvision's weights of the channels."""
    images = _images(10)
    torch.testing.assert_close(luma(images), TF.rgb_to_grayscale(images), atol=1e-6, rtol=0)


def test_hue_of_primary_colours_turns_by_thirds() -> None:
    """A third of a turn takes red to green, green to blue and blue to red; grey has no hue to turn."""
    colours = torch.eye(3)[:, :, None, None]
    torch.testing.assert_close(hue_shifted(colours, torch.full((3,), 1 / 3)), colours.roll(-1, 0), atol=1e-5, rtol=0)
    grey = torch.full((1, 3, 2, 2), 0.3)
    torch.testing.assert_close(hue_shifted(grey, torch.tensor([0.2])), grey)


FULL = IDENTITY.model_copy(
    update={"jitter": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1, "grayscale": 0.2}
)


def test_orders_and_strengths_fill_their_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sample draws one of the 24 orders and strengths within the spec's ranges, evenly and independently."""
    seen: list[Jitter] = []
    monkeypatch.setattr("dlth_bench.training.views.augment.jittered", lambda view, jitter: seen.append(jitter) or view)
    augment = Augment(FULL.model_copy(update={"jitter": 1.0}), RGB)
    augment(random_images(1, channels=3).expand(4800, -1, -1, -1), _generator())
    (jitter,) = seen
    counts = Counter(map(tuple, jitter.order.T.tolist()))
    assert set(counts) == set(ORDERS)
    assert 140 < min(counts.values()) <= max(counts.values()) < 270  # 200 expected
    for values, (centre, reach) in zip(jitter[:4], ((1, 0.4), (1, 0.4), (1, 0.2), (0, 0.1)), strict=True):
        assert centre - reach <= values.min() < centre - 0.99 * reach
        assert centre + 0.99 * reach < values.max() <= centre + reach
        assert abs(values.mean() - centre) < 0.05 * reach
    strengths = torch.stack([*jitter[:4], (jitter.order[0] == HUE).float()])
    assert (torch.corrcoef(strengths) - torch.eye(5)).abs().max() < 0.06


def test_jitter_and_greyscale_strike_their_shares() -> None:
    """A sample is jittered or exactly as it was, and colourless or not, with the spec's chances."""
    images = random_images(1, channels=3).expand(2000, -1, -1, -1)
    jitter_only = Augment(FULL.model_copy(update={"grayscale": 0.0}), RGB)(images, _generator())
    touched = (jitter_only != to_float(images)).flatten(1).any(1)
    assert abs(touched.float().mean() - 0.8) < 0.04
    grey_only = Augment(FULL.model_copy(update={"jitter": 0.0}), RGB)(images, _generator())
    colourless = (grey_only[:, :1] == grey_only).flatten(1).all(1)
    assert abs(colourless.float().mean() - 0.2) < 0.04
    assert torch.equal(grey_only[~colourless], to_float(images)[~colourless])


@pytest.mark.parametrize("option", ["saturation", "hue", "grayscale"])
def test_colour_of_grey_images_is_refused(option: str) -> None:
    """A recipe that asks for colour on a dataset without it is told so, in place of being ignored."""
    with pytest.raises(InputError, match="need images of 3 channels; this dataset's have 1"):
        Augment(AugmentSpec(**{option: 0.1}), GREY)


def test_colour_views_stay_in_range() -> None:
    """No combination leaves [0, 1] before normalisation or makes a number that is not one."""
    spec = FULL.model_copy(update={"crop_scale": (0.08, 1.0), "interpolation": "bicubic", "blur": 0.5, "solarize": 0.2})
    view = Augment(spec, RGB)(random_images(128, channels=3), _generator())
    assert view.shape == (128, 3, 32, 32)
    assert view.isfinite().all()
    assert view.min() >= -1e-6
    assert view.max() <= 1 + 1e-6
