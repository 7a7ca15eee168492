"""Augmentation does to each image what PIL, torchvision and plain loops do to it, with draws of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from tiny_training import EVERYTHING, GREY, IDENTITY, random_images
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.training.views.augment import Augment, Pixels, to_float

RAW = Pixels(32, (0.0,), (1.0,))
"""No normalisation: views are in [0, 1]."""

Box = tuple[float, float, float, float]
"""Top, left, height, width."""


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _cropping(monkeypatch: pytest.MonkeyPatch, spec: AugmentSpec, box: Box) -> Augment:
    """An augmentation whose every crop is ``box``."""
    augment = Augment(spec, RAW)
    monkeypatch.setattr(augment, "_boxes", lambda draws: tuple(draws.new_full(draws.shape[1:], v) for v in box))
    return augment


def _inner(extent: float, size: int) -> slice:
    """The pixels of a view whose support does not reach out of the crop."""
    step = extent / size
    border = sum((i + 0.5) * step + 0.5 < max(step, 1) for i in range(size))
    return slice(border, size - border)


# --- crop and resampling -----------------------------------------------------------------------------------

BOXES = [
    pytest.param(32, (5.0, 3.0, 17.0, 20.0), id="larger"),
    pytest.param(32, (0.0, 12.0, 32.0, 20.0), id="one side only"),
    pytest.param(12, (2.0, 1.0, 26.0, 30.0), id="smaller"),
    pytest.param(16, (4.0, 6.0, 12.0, 25.0), id="larger and smaller"),
]


@pytest.mark.parametrize("size", [8, 13, 32, 48])
def test_whole_image_resampling_is_torchvision_s(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """To a smaller or a larger view, an image is resampled as by torchvision's antialiased bilinear resize."""
    images = random_images(6)
    view = _cropping(monkeypatch, AugmentSpec(size=size), (0.0, 0.0, 32.0, 32.0))(images, _generator())
    torch.testing.assert_close(view, TF.resize(to_float(images), [size, size], antialias=True), atol=2e-5, rtol=0)


@pytest.mark.parametrize(("size", "box"), BOXES)
def test_crop_is_torchvision_s_inside(monkeypatch: pytest.MonkeyPatch, size: int, box: Box) -> None:
    """A crop of an integer box equals torchvision's crop and resize, wherever the box's border has no say.

    At the border the two differ by definition: torchvision cuts first, this library and PIL's ``resize(box=)``
    look at the neighbours outside of the box.
    """
    images = random_images(6)
    view = _cropping(monkeypatch, AugmentSpec(size=size), box)(images, _generator())
    top, left, height, width = map(int, box)
    expected = TF.resized_crop(to_float(images), top, left, height, width, [size, size], antialias=True)
    rows, cols = _inner(height, size), _inner(width, size)
    assert view[..., rows, cols].numel() > view.numel() / 2
    torch.testing.assert_close(view[..., rows, cols], expected[..., rows, cols], atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("size", "box"),
    [
        *BOXES,
        pytest.param(32, (3.3, 7.9, 21.4, 13.7), id="continuous"),
        pytest.param(10, (0.2, 0.9, 31.7, 28.5), id="continuous and smaller"),
    ],
)
def test_crop_is_pil_s_everywhere(monkeypatch: pytest.MonkeyPatch, size: int, box: Box) -> None:
    """Boxes with continuous corners equal PIL's bilinear ``resize(box=...)`` in every pixel, borders included."""
    images = random_images(4)
    view = _cropping(monkeypatch, AugmentSpec(size=size), box)(images, _generator())
    top, left, height, width = box
    for image, ours in zip(to_float(images), view, strict=True):
        picture = Image.fromarray(image[0].numpy())
        region = (left, top, left + width, top + height)
        theirs = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=region))
        np.testing.assert_allclose(ours[0].numpy(), theirs, atol=2e-5, rtol=0)


@pytest.mark.parametrize(("size", "box"), [*BOXES, pytest.param(32, (3.3, 7.9, 21.4, 13.7), id="continuous")])
def test_bicubic_crop_is_pil_s(monkeypatch: pytest.MonkeyPatch, size: int, box: Box) -> None:
    """With bicubic interpolation a crop is PIL's, whose overshoot at edges is cut to the range of pixels."""
    images = random_images(4)
    view = _cropping(monkeypatch, AugmentSpec(size=size, interpolation="bicubic"), box)(images, _generator())
    top, left, height, width = box
    for image, ours in zip(to_float(images), view, strict=True):
        picture = Image.fromarray(image[0].numpy())
        region = (left, top, left + width, top + height)
        theirs = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box=region)).clip(0, 1)
        np.testing.assert_allclose(ours[0].numpy(), theirs, atol=2e-5, rtol=0)


def test_boxes_have_the_spec_s_area_and_ratio() -> None:
    """Crops cover the area and have the ratio that the spec says, lie in the image, and use the whole range."""
    augment = Augment(AugmentSpec(crop_scale=(0.2, 0.7), crop_ratio=(0.75, 4 / 3)), RAW)
    top, left, height, width = augment._boxes(torch.rand((10, 4000), generator=_generator()))
    assert (torch.minimum(top, left) >= 0).all()
    assert (torch.maximum(top + height, left + width) <= 32 + 1e-4).all()
    area, ratio = height * width / 32**2, width / height
    assert 0.2 - 1e-5 <= area.min() < 0.201
    assert 0.699 < area.max() <= 0.7 + 1e-5
    assert 0.75 - 1e-5 <= ratio.min() < 0.751
    assert 1.331 < ratio.max() <= 4 / 3 + 1e-5
    assert abs(ratio.log().mean()) < 0.01  # as many tall as wide ones
    assert abs(area.mean() - 0.45) < 0.01
    assert abs((top / (32 - height)).mean() - 0.5) < 0.02
    assert abs((left / (32 - width)).mean() - 0.5) < 0.02


def test_place_area_and_ratio_are_independent() -> None:
    """Where a crop lies, how large and how wide it is are four draws, none of which tells another."""
    augment = Augment(AugmentSpec(crop_scale=(0.2, 0.7)), RAW)
    top, left, height, width = augment._boxes(torch.rand((10, 4000), generator=_generator()))
    draws = torch.stack([top / (32 - height), left / (32 - width), height * width, (width / height).log()])
    assert (torch.corrcoef(draws) - torch.eye(4)).abs().max() < 0.06


def test_identity_spec_changes_nothing() -> None:
    """A spec without augmentation returns the normalised image to the last bit."""
    images = random_images(5)
    view = Augment(IDENTITY, GREY)(images, _generator())
    assert torch.equal(view, GREY.normalized(to_float(images)))
    torch.testing.assert_close(view, (images.float() / 255 - 0.1) / 0.3)


def test_flip_is_the_mirror_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flip mirrors the columns, and nothing else: to the last bit uncropped, to rounding in a crop."""
    images = random_images(5)
    flipped = Augment(IDENTITY.model_copy(update={"flip": 1.0}), RAW)(images, _generator())
    assert torch.equal(flipped, Augment(IDENTITY, RAW)(images, _generator()).flip(3))
    box = (5.0, 3.0, 17.0, 20.0)
    plain = _cropping(monkeypatch, IDENTITY, box)(images, _generator())
    crop = _cropping(monkeypatch, IDENTITY.model_copy(update={"flip": 1.0}), box)(images, _generator())
    torch.testing.assert_close(crop, plain.flip(3), atol=1e-5, rtol=0)


def test_channels_keep_their_own_normalisation() -> None:
    """Means and standard deviations apply channel by channel."""
    pixels = Pixels(32, (0.4, 0.5, 0.6), (0.1, 0.2, 0.4))
    images = random_images(3, channels=3)
    view = Augment(IDENTITY, pixels)(images, _generator())
    for channel, (mean, std) in enumerate(zip(pixels.mean, pixels.std, strict=True)):
        torch.testing.assert_close(view[:, channel], (images[:, channel].float() / 255 - mean) / std)


# --- blur ---------------------------------------------------------------------------------------------------


def _blurred(image: Tensor, sigma: float) -> np.ndarray:
    """A Gaussian blur whose weights at the image's borders are renormalised over the pixels that exist."""
    radius = {"sigma": sigma, "mode": "constant", "truncate": 32 / sigma}
    array = image.double().numpy()
    return ndimage.gaussian_filter(array, **radius) / ndimage.gaussian_filter(np.ones_like(array), **radius)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 2.0])
def test_blur_is_gaussian(sigma: float) -> None:
    """Blur equals scipy's Gaussian with the border rule of the spec: renormalised, no reflection, no padding."""
    images = random_images(3)
    spec = IDENTITY.model_copy(update={"blur": 1.0, "blur_sigma": (sigma, sigma)})
    view = Augment(spec, RAW)(images, _generator())
    for image, ours in zip(to_float(images), view, strict=True):
        np.testing.assert_allclose(ours[0].numpy(), _blurred(image[0], sigma), atol=2e-5, rtol=0)


def test_blur_strikes_its_share_of_samples() -> None:
    """Each sample is either blurred or left exactly as it is, with the spec's probability."""
    images = random_images(1).expand(1000, -1, -1, -1)
    spec = IDENTITY.model_copy(update={"blur": 0.3, "blur_sigma": (0.5, 2.0)})
    view = Augment(spec, RAW)(images, _generator())
    touched = (view != to_float(images)).flatten(1).any(1)
    assert abs(touched.float().mean() - 0.3) < 0.05
    spread = view[touched].std(dim=(1, 2, 3))
    assert spread.max() > 2 * spread.min()  # strengths differ too


# --- colour -------------------------------------------------------------------------------------------------


def _recoloured(image: np.ndarray, spec: AugmentSpec, draws: tuple[float, float, float]) -> np.ndarray:
    """Brightness, contrast and solarization of one image, pixel values in [0, 1]."""
    chance, strength, solarize = draws
    if chance < spec.jitter:
        image = np.clip(image * (1 - spec.brightness + 2 * spec.brightness * chance / spec.jitter), 0, 1)
        factor = 1 - spec.contrast + 2 * spec.contrast * strength
        image = np.clip(image * factor + image.mean() * (1 - factor), 0, 1)
    if solarize < spec.solarize:
        image = np.where(image < 128 / 255, image, 1 - image)
    return image


def test_colour_equals_a_loop_over_samples() -> None:
    """Jitter and solarization in a batch are what they are image by image with the same draws."""
    spec = AugmentSpec(jitter=0.8, brightness=0.4, contrast=0.6, solarize=0.3)
    draws = torch.rand(3, 64, generator=_generator(1))
    view = torch.rand(64, 1, 8, 8, generator=_generator(2))
    ours = Augment(spec, RAW)._recoloured(view.clone(), draws)
    for i, (image, result) in enumerate(zip(view, ours, strict=True)):
        expected = _recoloured(image.double().numpy(), spec, tuple(draws[:, i].tolist()))
        np.testing.assert_allclose(result.numpy(), expected, atol=1e-6, rtol=0)


def test_brightness_factors_are_uniform_around_one() -> None:
    """The factor fills [1-x, 1+x] evenly although the draw that decides on jitter is used again."""
    grey = torch.full((4000, 1, 32, 32), 102, dtype=torch.uint8)
    spec = IDENTITY.model_copy(update={"jitter": 0.5, "brightness": 0.4})
    factors = Augment(spec, RAW)(grey, _generator())[:, 0, 0, 0] / 0.4
    jittered = factors[(factors - 1).abs() > 1e-6]
    assert abs(len(jittered) / 4000 - 0.5) < 0.03
    counts = torch.histc(jittered, bins=8, min=0.6, max=1.4)
    assert counts.sum() == len(jittered)  # none outside
    assert (counts / len(jittered) - 1 / 8).abs().max() < 0.03


def test_solarize_inverts_from_128() -> None:
    """127 stays and 128 is inverted, as in PIL with its default threshold."""
    image = torch.tensor([0, 127, 128, 255], dtype=torch.uint8).repeat(1, 1, 32, 8)
    view = Augment(IDENTITY.model_copy(update={"solarize": 1.0}), RAW)(image, _generator())
    assert (view[0, 0, 0, :4] * 255).round().tolist() == [0, 127, 127, 0]


# --- randomness ---------------------------------------------------------------------------------------------


def test_each_sample_has_its_own_draws() -> None:
    """Copies of one image in a batch become different views: no draw is shared by the batch."""
    view = Augment(EVERYTHING, GREY)(random_images(1).expand(16, -1, -1, -1), _generator()).flatten(1)
    distance = torch.cdist(view, view) + torch.eye(16) * 1e9
    assert distance.min() > 1


def test_the_generator_is_the_only_randomness() -> None:
    """The same generator seed gives the same views whatever the global state; another seed gives others."""
    images = random_images(8)
    augment = Augment(EVERYTHING, GREY)
    first = augment(images, _generator(3))
    torch.rand(5)
    assert torch.equal(augment(images, _generator(3)), first)
    assert not torch.equal(augment(images, _generator(4)), first)


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        (None, (0.9721727968, 1.0742199421, 0.8185923100, 1.0437606573, 0.8011410236)),
        (16, (0.9078404307, 1.0422815084, 1.0852375031, 1.2540818453, 0.9597036242)),
    ],
)
def test_grey_views_stay_what_they_were(size: int | None, pixels: tuple[float, ...]) -> None:
    """Grey protocols are frozen: a seed gives the views that it gave when their references were measured."""
    view = Augment(EVERYTHING.model_copy(update={"size": size}), GREY)(random_images(64), _generator(5))
    assert view[3, 0, 4, :5].tolist() == pytest.approx(pixels, abs=1e-5)


@pytest.mark.parametrize("size", [None, 16])
def test_views_stay_in_range(size: int | None) -> None:
    """No augmentation leaves [0, 1] before normalisation, and none makes a number that is not one."""
    view = Augment(EVERYTHING.model_copy(update={"size": size}), RAW)(random_images(256), _generator())
    side = size or 32
    assert view.shape == (256, 1, side, side)
    assert view.min() >= -1e-6
    assert view.max() <= 1 + 1e-6
    assert math.isfinite(view.sum().item())


def test_the_images_are_not_changed() -> None:
    """The dataset lives on the device once; augmentation must not write into it."""
    images = random_images(4)
    before = images.clone()
    Augment(EVERYTHING, GREY)(images, _generator())
    assert torch.equal(images, before)
