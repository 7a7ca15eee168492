"""Colour jitter of RGB batches: torchvision's operations, each sample with its own strengths and its own order.

Images are floats in [0, 1], (batch, 3, height, width). Every operation runs on the whole batch and what a sample
does not draw is discarded, since picking samples out would make the device wait for the host.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dlth_bench.training.random import normal, uniform

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


class Jitter(NamedTuple):
    """Strengths for each sample, (batch,), and which operation comes when, int64 (4, batch)."""

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    """In turns of the colour circle, -0.5 to 0.5."""
    order: Tensor
    """Row k holds each sample's operation number k: a permutation of BRIGHTNESS to HUE in every column."""


def luma(images: Tensor) -> Tensor:
    """Grey value (batch, 1, height, width) with the weights of ITU-R 601-2, as PIL and torchvision have it."""
    red, green, blue = images.unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).unsqueeze(1)


def jittered(images: Tensor, jitter: Jitter) -> Tensor:
    """The four operations one after the other, in each sample's order."""
    for operation in jitter.order:
        contrast, saturation, hue = (
            (operation == number)[:, None, None, None] for number in (CONTRAST, SATURATION, HUE)
        )
        factor = torch.where(operation == CONTRAST, jitter.contrast, jitter.brightness)
        factor = torch.where(operation == SATURATION, jitter.saturation, factor)[:, None, None, None]
        # Three of them move a pixel away from a reference: black, the image's mean grey, the pixel's own grey.
        grey = luma(images)
        reference = torch.where(saturation, grey, 0.0)
        reference = torch.where(contrast, grey.mean(dim=(1, 2, 3), keepdim=True), reference)
        blended = torch.lerp(reference, images, factor).clamp_(0, 1)
        images = torch.where(hue, hue_shifted(images, jitter.hue), blended)
    return images


def hue_shifted(images: Tensor, turns: Tensor) -> Tensor:
    """Hues turned on the colour circle by ``turns`` (batch,); value and chroma of the HSV model stay."""
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    chroma = value - images.amin(1)
    safe = torch.where(chroma == 0, 1.0, chroma)
    # Sixths of a turn, counted from red; ties between channels give the same hue whichever is taken.
    sixths = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixths = sixths + 6 * turns[:, None, None]
    channels = []
    for offset in (5, 3, 1):
        distance = (offset + sixths) % 6
        channels.append(value - chroma * torch.minimum(distance, 4 - distance).clamp_(0, 1))
    return torch.stack(channels, dim=1)


AREA = (0.02, 1 / 3)
"""Area of the rectangle as a fraction of the image's."""
RATIO = (0.3, 10 / 3)
"""Height over width of the rectangle."""
ATTEMPTS = 10
"""Draws of a rectangle; a sample for which none lies in the image stays as it is, as in timm and torchvision."""


def erased(images: Tensor, chance: float, noise: bool, generator: torch.Generator) -> Tensor:
    """Normalised images (batch, channels, height, width), each erased with probability ``chance``.

    Args:
        noise: fill with standard normal noise (timm's mode ``pixel``) in place of the mean colour, which is 0.
    """
    batch, _, rows, columns = images.shape
    draws = uniform(2 * ATTEMPTS, batch, generator).view(2, ATTEMPTS, batch)
    area = (draws[0] * (AREA[1] - AREA[0]) + AREA[0]) * rows * columns
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    ratio = torch.exp(draws[1] * (high - low) + low)
    heights, widths = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (heights < rows) & (widths < columns)
    first = fits.int().argmax(0, keepdim=True)
    height, width = heights.gather(0, first)[0], widths.gather(0, first)[0]
    struck, top, left = uniform(3, batch, generator)
    top, left = (top * (rows - height + 1)).floor(), (left * (columns - width + 1)).floor()
    inside = _between(top, height, rows)[:, :, None] & _between(left, width, columns)[:, None, :]
    inside &= (fits.any(0) & (struck < chance))[:, None, None]
    fill = normal(images, generator) if noise else torch.zeros_like(images)
    return torch.where(inside.unsqueeze(1), fill, images)


def _between(start: Tensor, extent: Tensor, size: int) -> Tensor:
    """Which of ``size`` places lie in [start, start + extent), (batch, size)."""
    places = torch.arange(size, device=start.device)
    return (places >= start[:, None]) & (places < (start + extent)[:, None])
