"""Batched crops of images of different sizes: each to one size, antialiased, by two small matrices an image.

As for images of one size (`augment`), a view is ``rows @ image @ cols^T``; here only a window around each crop is read.
Windows of a batch are equally large, so that nothing waits for the device to say how large they must be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dlth_bench.training.samples import RaggedImages

Interpolation = Literal["bilinear", "bicubic"]

Fold = Callable[[Tensor, Tensor, slice], tuple[Tensor, Tensor]]
"""Changes the matrices (rows, cols) of the images in a slice of the batch; for what is linear and separable, too."""

TRIES = 10
"""How often torchvision's RandomResizedCrop draws a box before it takes the centre."""

CHUNK = 128
"""Images resampled at once: at 224 pixels from 256 they take about half a gigabyte."""

CPU_CHUNK = 1
"""On a CPU a look at the boxes costs nothing, and the smaller their windows, the less there is to multiply."""


@dataclass(frozen=True)
class Boxes:
    """One crop an image, float (images,) in pixels, corners anywhere between them.

    longest: at least the longer side of every box, known without a look at the device.
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    longest: float


def random_boxes(images: RaggedImages, scale: tuple[float, float], ratio: tuple[float, float], draws: Tensor) -> Boxes:
    """Crops by torchvision's rule for RandomResizedCrop, with continuous corners.

    Area and aspect ratio are drawn until a box fits, at most ten times; then it is the largest central one of an
    allowed ratio.

    Args:
        scale: area of the crop as a fraction of the image's.
        ratio: width over height, drawn uniformly in its logarithm.
        draws: (2 * TRIES + 2, images), uniform in [0, 1).
    """
    high, wide = images.height.float(), images.width.float()
    low, log_low = scale[0], math.log(ratio[0])
    area = (draws[:TRIES] * (scale[1] - low) + low) * (high * wide)
    aspect = torch.exp(draws[TRIES : 2 * TRIES] * (math.log(ratio[1]) - log_low) + log_low)
    heights, widths = (area / aspect).sqrt_(), (area * aspect).sqrt_()
    fits = (heights <= high) & (widths <= wide)
    first = fits.int().argmax(0, keepdim=True)
    found = fits.any(0)
    height = torch.where(found, heights.gather(0, first)[0], torch.minimum(high, wide / ratio[0]))
    width = torch.where(found, widths.gather(0, first)[0], torch.minimum(wide, high * ratio[1]))
    place = draws[2 * TRIES :]
    top = torch.where(found, place[0], 0.5) * (high - height)
    left = torch.where(found, place[1], 0.5) * (wide - width)
    # A side is at most the ratio's bound times the other, and one of the two is at most the image's shorter side.
    longest = min(max(ratio[1], 1 / ratio[0], 1.0) * images.shorter, images.longer)
    return Boxes(top, left, height, width, longest)


def central_boxes(images: RaggedImages, size: int, resized: int) -> Boxes:
    """The crop of side ``size`` from the centre of each image resized to shorter side ``resized``.

    Sizes and places are rounded as by torchvision's Resize and CenterCrop, so that an image stored at that very side
    is cropped and not resampled.
    """
    high, wide = images.height, images.width
    new_high = torch.where(high <= wide, resized, resized * high // wide)
    new_wide = torch.where(wide <= high, resized, resized * wide // high)
    scale = torch.stack([high / new_high, wide / new_wide])
    corner = torch.round((torch.stack([new_high, new_wide]) - size) / 2) * scale
    # The longer side is cut to whole pixels, so its scale is a little larger than the shorter one's.
    longest = min(size * images.shorter / (resized - 1), images.longer)
    return Boxes(corner[0], corner[1], size * scale[0], size * scale[1], longest)


def resampled(
    images: RaggedImages,
    boxes: Boxes,
    size: int,
    *,
    flip: Tensor | None = None,
    interpolation: Interpolation = "bilinear",
    fold: Fold = lambda rows, cols, part: (rows, cols),
) -> Tensor:
    """The boxes' contents as floats in [0, 1], (images, 3, size, size); see `augment` for the weights.

    Args:
        flip: bool (images,), which of them are mirrored.
    """
    views = []
    on_cpu = images.device.type == "cpu"
    chunk = CPU_CHUNK if on_cpu else CHUNK
    for start in range(0, len(images), chunk):
        part = slice(start, start + chunk)
        height, width = boxes.height[part], boxes.width[part]
        longest = float(torch.maximum(height, width).max()) if on_cpu else boxes.longest
        box = Boxes(boxes.top[part], boxes.left[part], height, width, longest)
        views.append(_resampled(images[part], box, size, part, flip, interpolation, fold))
    return torch.cat(views)


def _resampled(
    images: RaggedImages,
    boxes: Boxes,
    size: int,
    part: slice,
    flip: Tensor | None,
    interpolation: Interpolation,
    fold: Fold,
) -> Tensor:
    support = 2 if interpolation == "bicubic" else 1
    widest = support * max(boxes.longest / size, 1.0)
    side = min(math.ceil(boxes.longest + 2 * widest) + 2, images.longer)
    top, left = (_window_start(*axis, size, support) for axis in ((boxes.top, boxes.height), (boxes.left, boxes.width)))
    rows = _weights(boxes.top - top, boxes.height, images.height - top, size, side, interpolation)
    cols = _weights(boxes.left - left, boxes.width, images.width - left, size, side, interpolation)
    if flip is not None:
        cols = torch.where(flip[part, None, None], cols.flip(1), cols)
    rows, cols = fold(rows, cols, part)
    window = images.windows(top, left, side).permute(0, 3, 1, 2)
    window = window.to(torch.float32, memory_format=torch.contiguous_format).mul_(1 / 255)
    view = torch.matmul(torch.matmul(rows.unsqueeze(1), window), cols.transpose(1, 2).unsqueeze(1))
    return view.clamp_(0, 1) if interpolation == "bicubic" else view  # a cubic kernel overshoots at edges


def _window_start(start: Tensor, extent: Tensor, size: int, support: int) -> Tensor:
    """The first pixel with a weight in a crop, int64."""
    return (start - support * (extent / size).clamp(min=1)).floor().clamp_(min=0).long()


def _weights(
    start: Tensor, extent: Tensor, pixels: Tensor, size: int, side: int, interpolation: Interpolation
) -> Tensor:
    """Antialiased weights (images, size, side) from the pixels of a window to those of the view.

    Args:
        start, extent: of the box on this axis, in the window.
        pixels: how many of the window's pixels on this axis are the image's.
    """
    step = (extent / size)[:, None, None]
    centre = start[:, None, None] + (torch.arange(size, device=start.device) + 0.5)[None, :, None] * step
    source = torch.arange(side, device=start.device)
    distance = (centre - (source + 0.5)).mul_(1 / step.clamp(min=1)).abs_()
    weights = cubic(distance) if interpolation == "bicubic" else distance.neg_().add_(1).clamp_(min=0)
    weights = weights.mul_(source < pixels[:, None, None])
    return weights.div_(weights.sum(-1, keepdim=True))


def cubic(distance: Tensor) -> Tensor:
    """Keys's cubic kernel with a = -1/2, as PIL has it, at non-negative distances."""
    near = (1.5 * distance - 2.5) * distance.square() + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))
