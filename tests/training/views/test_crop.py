"""Crops of images of different sizes, against PIL and torchvision, which work on one image at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import EVERYTHING
from torch import Tensor
from torchvision.transforms import functional as TF

from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.training.samples import RaggedImages, margin
from dlth_bench.training.views import crop
from dlth_bench.training.views.augment import Augment, Pixels, unaugmented
from dlth_bench.training.views.crop import TRIES, Boxes, central_boxes, random_boxes, resampled

SIZES = ((40, 53), (53, 40), (40, 40), (48, 130), (24, 31), (40, 61))
"""Height and width."""
PIXELS = Pixels(32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
RAW = Pixels(32, (0.0,) * 3, (1.0,) * 3)


def noise(sizes: tuple[tuple[int, int], ...] = SIZES) -> list[np.ndarray]:
    """uint8 noise (height, width, 3), smooth enough that a shift of a box shows."""
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def ragged(images: list[np.ndarray]) -> RaggedImages:
    height, width = (torch.tensor([image.shape[axis] for image in images]) for axis in (0, 1))
    start = torch.tensor([0, *np.cumsum([image.size for image in images])[:-1].tolist()])
    shorter = int(torch.minimum(height, width).max())
    longer = int(torch.maximum(height, width).max())
    # Behind the last image stands what would show in a view that reads beyond it.
    pixels = np.concatenate([*(image.ravel() for image in images), np.full(margin(longer), 255, np.uint8)])
    return RaggedImages(torch.from_numpy(pixels), start, height, width, shorter, longer)


def boxes_in(images: list[np.ndarray], count: int = 8) -> tuple[list[np.ndarray], Boxes]:
    """Each image ``count`` times, with boxes of all places and sizes, the first of them the whole image."""
    repeated = [image for image in images for _ in range(count)]
    draws = torch.rand((4, len(repeated)), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    draws[:, ::count] = torch.tensor([1.0, 1.0, 0.0, 0.0])[:, None]
    high, wide = (torch.tensor([image.shape[axis] for image in repeated]).double() for axis in (0, 1))
    height, width = high * (0.2 + 0.8 * draws[0]), wide * (0.2 + 0.8 * draws[1])
    values = [value.float() for value in (draws[2] * (high - height), draws[3] * (wide - width), height, width)]
    return repeated, Boxes(*values, longest=float(torch.maximum(height, width).max()))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [16, 32, 96])
def test_crops_are_pil_s(interpolation: crop.Interpolation, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pixel of any box, to smaller and to larger views, equals PIL's ``resize(box=...)`` in floats."""
    monkeypatch.setattr(crop, "CPU_CHUNK", 7)
    images, boxes = boxes_in(noise())
    views = resampled(ragged(images), boxes, size, interpolation=interpolation)
    resample = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[interpolation]
    for number, image in enumerate(images):
        top, left, height, width = (float(v[number]) for v in (boxes.top, boxes.left, boxes.height, boxes.width))
        region = (left, top, min(left + width, image.shape[1]), min(top + height, image.shape[0]))
        channels = [Image.fromarray(image[..., channel].astype(np.float32) / 255) for channel in range(3)]
        theirs = np.stack([np.asarray(each.resize((size, size), resample, box=region)) for each in channels])
        np.testing.assert_allclose(views[number].numpy(), theirs.clip(0, 1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [16, 64])
def test_windows_of_one_size_give_the_same_crops(interpolation: crop.Interpolation, size: int) -> None:
    """The windows that a GPU reads, equally large for a whole batch, give the crops that a CPU's smallest ones do."""
    images = ragged(noise())[torch.arange(6).repeat(20)]
    boxes = random_boxes(images, (0.08, 1.0), (0.75, 4 / 3), random_draws(images))
    flip = torch.arange(len(images)) % 2 == 0
    small = resampled(images, boxes, size, flip=flip, interpolation=interpolation)

    def unchanged(rows: Tensor, cols: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        return rows, cols

    large = crop._resampled(images, boxes, size, slice(None), flip, interpolation, unchanged)
    torch.testing.assert_close(large, small, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [16, 32])
def test_crops_are_torchvision_s_inside(size: int) -> None:
    """Crops of integer boxes equal torchvision's antialiased ``resized_crop`` but for the border.

    There the two differ by definition: torchvision cuts first, this library and PIL look at the pixels around the box.
    """
    images = noise()
    values = [torch.full((len(images),), value) for value in (2.0, 3.0, 20.0, 27.0)]
    views = resampled(ragged(images), Boxes(*values, longest=27.0), size)
    border = 1 + math.ceil(size / 20)
    inner = (slice(None), slice(border, -border), slice(border, -border))
    for image, view in zip(images, views, strict=True):
        floats = torch.from_numpy(image).permute(2, 0, 1) / 255
        theirs = TF.resized_crop(floats, 2, 3, 20, 27, [size, size], antialias=True)
        torch.testing.assert_close(view[inner], theirs[inner], atol=2e-5, rtol=0)


def test_evaluation_crops_the_centre_as_torchvision_does() -> None:
    """An image stored at the resized side is cropped pixel by pixel; others are resized to it, as by Resize."""
    sizes = ((37, 50), (51, 37), (37, 37), (37, 120), (74, 111), (28, 35))
    images = noise(sizes)
    views = unaugmented(ragged(images), RAW)
    for number, (image, view) in enumerate(zip(images, views, strict=True)):
        floats = torch.from_numpy(image).permute(2, 0, 1) / 255
        theirs = TF.center_crop(TF.resize(floats, 37, antialias=True), [32, 32])
        if number < 4:
            torch.testing.assert_close(view, theirs, atol=1e-7, rtol=0)
        else:
            torch.testing.assert_close(view, theirs, atol=1e-4, rtol=0)


def test_whole_boxes_of_central_crops_lie_in_the_image() -> None:
    """For every size, the central crop is inside, and no longer than the bound that windows are made by."""
    for size in (8, 32, 224):
        resized = round(size * 256 / 224)
        high, wide = torch.meshgrid(torch.arange(20, 600, 7), torch.arange(20, 600, 7), indexing="ij")
        tables = torch.zeros_like(high).flatten(), high.flatten(), wide.flatten()
        images = RaggedImages(torch.empty(0, dtype=torch.uint8), *tables, shorter=600, longer=600)
        boxes = central_boxes(images, size, resized)
        assert (boxes.top >= -1e-3).all() and (boxes.left >= -1e-3).all()
        assert (boxes.top + boxes.height <= images.height * 1.001 + 1e-3).all()
        assert torch.maximum(boxes.height, boxes.width).max() <= boxes.longest + 1e-3


def random_draws(images: RaggedImages, seed: int = 0) -> Tensor:
    return torch.rand((2 * TRIES + 2, len(images)), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("scale", "ratio"), [((0.08, 1.0), (0.75, 4 / 3)), ((0.2, 1.0), (0.5, 3.0))])
def test_random_boxes_are_distributed_as_torchvision_s(scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    """Sides and places of boxes have the quantiles of RandomResizedCrop's, in wide, square and extreme images."""
    from torchvision.transforms import RandomResizedCrop

    for height, width in ((400, 500), (300, 300), (100, 600), (600, 90)):
        count = 3000
        tables = (torch.full((count,), value) for value in (0, height, width))
        images = RaggedImages(torch.empty(0, dtype=torch.uint8), *tables, min(height, width), max(height, width))
        ours = random_boxes(images, scale, ratio, random_draws(images))
        torch.manual_seed(1)
        blank = torch.empty(3, height, width)
        theirs = torch.tensor([RandomResizedCrop.get_params(blank, scale, ratio) for _ in range(count)]).float().T
        assert (ours.top >= 0).all() and (ours.top + ours.height <= height + 1e-3).all()
        assert (ours.left >= 0).all() and (ours.left + ours.width <= width + 1e-3).all()
        assert torch.maximum(ours.height, ours.width).max() <= ours.longest + 1e-3
        quantiles = torch.linspace(0.05, 0.95, 19)
        for one, other in zip((ours.top, ours.left, ours.height, ours.width), theirs, strict=True):
            difference = one.quantile(quantiles) - other.quantile(quantiles)
            assert difference.abs().max() < 0.04 * max(height, width)


def test_each_sample_has_its_own_view_and_only_the_generator_decides() -> None:
    """One image many times gives as many views; the same generator gives the same views again, in any chunks."""
    batch = ragged(noise(((40, 53),)))[torch.zeros(16, dtype=torch.int64)]
    augment = Augment(EVERYTHING, PIXELS)
    first = augment(batch, torch.Generator().manual_seed(3))
    assert first.shape == (16, 3, 32, 32)
    distance = torch.cdist(first.flatten(1), first.flatten(1)) + torch.eye(16) * 1e9
    assert distance.min() > 1
    torch.rand(3)
    assert torch.equal(augment(batch, torch.Generator().manual_seed(3)), first)


def test_flip_and_blur_strike_their_share() -> None:
    """Flipped views are the mirror images of the others; a blur changes some views and leaves the others alone."""
    batch = ragged(noise(((40, 53),)))[torch.zeros(400, dtype=torch.int64)]
    whole = AugmentSpec(crop_scale=(1.0, 1.0), crop_ratio=(53 / 40, 53 / 40))
    plain = Augment(whole, RAW)(batch, torch.Generator())[0]
    flipped = Augment(whole.model_copy(update={"flip": 0.3}), RAW)(batch, torch.Generator())
    mirrored = [(view - plain.flip(2)).abs().max() < 1e-4 for view in flipped]
    assert all(mirror or torch.equal(view, plain) for mirror, view in zip(mirrored, flipped, strict=True))
    assert 0.2 < sum(mirrored) / 400 < 0.4
    blurred = Augment(whole.model_copy(update={"blur": 0.3, "blur_sigma": (1.0, 2.0)}), RAW)(batch, torch.Generator())
    spread = blurred.std(dim=(1, 2, 3)) / plain.std()
    assert ((spread - 1).abs() < 1e-5).logical_or(spread < 0.8).all()
    assert 0.2 < (spread < 0.8).float().mean() < 0.4


def test_choosing_images_copies_no_pixel() -> None:
    """Positions, slices and repetitions of ragged images share the pixels and mean the same images."""
    images = ragged(noise())
    chosen = images[torch.tensor([4, 1])].repeat(2, 1, 1, 1)
    assert chosen.pixels.data_ptr() == images.pixels.data_ptr()
    assert len(chosen) == 4
    views = unaugmented(images, RAW)
    assert torch.equal(unaugmented(chosen, RAW), views[[4, 1, 4, 1]])
    assert torch.equal(unaugmented(images[2:4], RAW), views[2:4])
