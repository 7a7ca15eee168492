"""The image operations of AutoAugment's family, batched: each sample with an argument of its own.

All take and give floats in [0, 1], (batch, channels, height, width), and one argument a sample, (batch,). They equal
PIL's and torchvision's of the same names, save that the corners of rotated and shifted images are blended with the
fill colour instead of cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Fill = tuple[float, ...]
"""Colour of what comes into view from outside of the image, a value a channel in [0, 1]; empty: black."""

PointOperation = Callable[[Tensor, Tensor], Tensor]
LUMA = (0.299, 0.587, 0.114)


def _luma(images: Tensor) -> Tensor:
    """The grey image (batch, 1, height, width); that of a grey image is itself."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor(LUMA)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


def _blend(base: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(base.expand_as(images), images, factor[:, None, None, None]).clamp_(0, 1)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Factor 0 is black, 1 the image."""
    return _blend(torch.zeros_like(images), images, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Factor 0 is the image's mean grey, 1 the image."""
    return _blend(_luma(images).mean(dim=(2, 3), keepdim=True), images, factor)


def colour(images: Tensor, factor: Tensor) -> Tensor:
    """Factor 0 is grey, 1 the image."""
    return _blend(_luma(images), images, factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Factor 0 is smoothed by a 3x3 kernel inside a border of one pixel, 1 the image."""
    channels = images.shape[1]
    kernel = images.new_ones(3, 3)
    kernel[1, 1] = 5
    smooth = images.clone()
    smooth[..., 1:-1, 1:-1] = F.conv2d(images, (kernel / 13).expand(channels, 1, 3, 3), groups=channels)
    return _blend(smooth, images, factor)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest ``bits`` of 8."""
    step = torch.exp2(8 - bits.round())[:, None, None, None]
    return (images * 255).round_().div_(step).floor_().mul_(step).div_(255)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert what is at least ``threshold`` of 255."""
    return torch.where(images * 255 >= threshold[:, None, None, None] - 1e-3, 1 - images, images)


def solarize_add(images: Tensor, added: Tensor) -> Tensor:
    """Add ``added`` of 255 to what is below 128."""
    brighter = (images + added[:, None, None, None] / 255).clamp_(max=1)
    return torch.where(images * 255 < 128 - 1e-3, brighter, images)


def autocontrast(images: Tensor, _: Tensor) -> Tensor:
    """Stretch each channel to the whole range."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    stretched = (images - low) / (high - low).clamp(min=1e-6)
    return torch.where(high - low < 0.5 / 255, images, stretched).clamp_(0, 1)


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """Equalize each channel's histogram of 256 bins by PIL's integer rule."""
    levels = (images * 255).round_().long().flatten(2).flatten(0, 1)
    counts = torch.zeros(len(levels), 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels))
    highest = levels.amax(1, keepdim=True)
    step = (levels.shape[1] - counts.gather(1, highest)) // 255
    below = counts.cumsum(1) - counts
    table = torch.where(step > 0, (below + step // 2) // step.clamp(min=1), torch.arange(256, device=images.device))
    return (table.clamp_(0, 255).gather(1, levels).to(images.dtype) / 255).view_as(images)


def invert(images: Tensor, _: Tensor) -> Tensor:
    return 1 - images


def identity(images: Tensor, _: Tensor) -> Tensor:
    return images


POINT_OPERATIONS: dict[str, PointOperation] = {
    "Identity": identity,
    "Brightness": brightness,
    "Color": colour,
    "Contrast": contrast,
    "Sharpness": sharpness,
    "Posterize": posterize,
    "Solarize": solarize,
    "SolarizeAdd": solarize_add,
    "AutoContrast": autocontrast,
    "Equalize": equalize,
    "Invert": invert,
}


def shear_x(argument: Tensor, height: int, width: int) -> Tensor:
    """Where each output pixel comes from, (batch, 2, 3): columns shift by ``argument`` times the row."""
    return _matrices(argument, {(0, 1): argument})


def shear_y(argument: Tensor, height: int, width: int) -> Tensor:
    return _matrices(argument, {(1, 0): argument})


def translate_x(pixels: Tensor, height: int, width: int) -> Tensor:
    return _matrices(pixels, {(0, 2): pixels})


def translate_y(pixels: Tensor, height: int, width: int) -> Tensor:
    return _matrices(pixels, {(1, 2): pixels})


def rotate(degrees: Tensor, height: int, width: int) -> Tensor:
    """A rotation about the image's centre."""
    angle = degrees * (math.pi / 180)
    cos, sin, x, y = angle.cos(), angle.sin(), width / 2, height / 2
    shifts = {(0, 2): x - cos * x + sin * y, (1, 2): y - sin * x - cos * y}
    return _matrices(angle, {(0, 0): cos, (0, 1): -sin, (1, 0): sin, (1, 1): cos} | shifts)


def _matrices(like: Tensor, entries: dict[tuple[int, int], Tensor]) -> Tensor:
    matrices = torch.eye(2, 3, device=like.device).repeat(len(like), 1, 1)
    for (row, column), values in entries.items():
        matrices[:, row, column] = values
    return matrices


GEOMETRY = {
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
    "Rotate": rotate,
}


def warped(images: Tensor, matrices: Tensor, interpolation: str, fill: Fill = ()) -> Tensor:
    """Each image through an affine map (batch, 2, 3) from output to input positions, in pixels from the corner."""
    return moved(images, matrices, interpolation, fill).clamp_(0, 1)


def moved(images: Tensor, matrices: Tensor, interpolation: str, fill: Fill = ()) -> Tensor:
    """The same of images with values of any range, such as normalised ones, of which 0 is the mean colour."""
    height, width = images.shape[2:]
    size = matrices.new_tensor([width, height])
    rows = torch.arange(height, device=images.device) + 0.5
    columns = torch.arange(width, device=images.device) + 0.5
    points = torch.stack([columns.expand(height, -1), rows[:, None].expand(-1, width)], -1)
    source = points.flatten(0, 1) @ matrices[:, :, :2].transpose(1, 2) + matrices[:, None, :, 2]
    grid = (source * (2 / size) - 1).view(len(images), height, width, 2)
    colour = images.new_tensor(fill or (0.0,))[:, None, None]
    sampled = F.grid_sample(images - colour, grid, mode=interpolation, padding_mode="zeros", align_corners=False)
    return sampled + colour
