"""Random erasing: a rectangle of each struck image replaced (Zhong et al. 2020, arXiv:1708.04896)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dlth_bench.training.draws import normal, uniform

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
