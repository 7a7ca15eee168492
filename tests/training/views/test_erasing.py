"""Random erasing strikes its share of samples with rectangles of the paper's area and shape."""

from __future__ import annotations

import torch

from dlth_bench.training.views.colour import erased


def _erased(chance: float, noise: bool = False) -> torch.Tensor:
    return erased(torch.full((4000, 1, 40, 40), 7.0), chance, noise, torch.Generator().manual_seed(0))


def test_rectangles_have_the_area_and_ratio() -> None:
    """Each struck image loses one whole rectangle of 2 % to a third of its area, up to rounding, anywhere in it."""
    gone = (_erased(0.25) != 7).squeeze(1)
    struck = gone.flatten(1).any(1)
    assert abs(struck.float().mean() - 0.25) < 0.02
    heights, widths = gone[struck].any(2).sum(1), gone[struck].any(1).sum(1)
    area = gone[struck].sum((1, 2))
    assert torch.equal(heights * widths, area)
    share = area / 1600
    assert 0.015 < share.min() < 0.03
    assert 0.31 < share.max() < 0.35
    # Uniform area, less the few rectangles that do not fit and are drawn again.
    assert abs(share.mean() - (0.02 + 1 / 3) / 2) < 0.015
    ratio = heights / widths
    assert ratio.min() < 0.4 and ratio.max() > 2.5
    for edge in (gone[:, 0], gone[:, -1], gone[:, :, 0], gone[:, :, -1]):
        assert edge.any()


def test_fill_is_the_mean_colour_or_noise() -> None:
    """Zero after normalisation (torchvision) or a standard normal draw a pixel (timm's mode pixel)."""
    assert set(_erased(1.0).unique().tolist()) == {0.0, 7.0}
    noise = _erased(1.0, noise=True)
    pixels = noise[noise != 7]
    assert abs(pixels.mean()) < 0.01 and abs(pixels.std() - 1) < 0.01


def test_chance_zero_and_one() -> None:
    """Never and always."""
    assert (_erased(0.0) == 7).all()
    assert (_erased(1.0) == 0).flatten(1).any(1).all()
