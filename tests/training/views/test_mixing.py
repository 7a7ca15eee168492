"""Mixup and CutMix equal timm's on the same draws, and draw what timm draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from timm.data import mixup as timm_mixup
from timm.data.mixup import Mixup

from dlth_bench.training.views.mixing import Mixing, cut_box, cut_mixed, mixed_up


def _images() -> torch.Tensor:
    return torch.randn(6, 3, 20, 30, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.9])
def test_mixup_is_timm_s(weight: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pixels for the same weight."""
    theirs = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0)
    monkeypatch.setattr(theirs, "_params_per_batch", lambda: (weight, False))
    expected = _images()
    assert theirs._mix_batch(expected) == weight
    torch.testing.assert_close(mixed_up(_images(), weight), expected)


@pytest.mark.parametrize("box", [(3, 9, 4, 28), (0, 20, 0, 30), (5, 5, 2, 7)])
def test_cutmix_is_timm_s(box: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pixels and the same weight of the label for the same rectangle."""
    theirs = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0)
    monkeypatch.setattr(theirs, "_params_per_batch", lambda: (0.5, True))
    monkeypatch.setattr(timm_mixup, "rand_bbox", lambda *_, **__: box)
    expected = _images()
    share = theirs._mix_batch(expected)
    ours, weight = cut_mixed(_images(), box)
    torch.testing.assert_close(ours, expected)
    assert weight == pytest.approx(share)


def test_boxes_are_timm_s_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the same weight and centre, the same rectangle, cut to the image."""
    weights = torch.rand(200, generator=torch.Generator().manual_seed(3)).tolist()
    for seed, weight in enumerate(weights):
        torch.manual_seed(seed)
        box = cut_box(weight, 20, 30)
        torch.manual_seed(seed)
        centre = iter([int(torch.randint(20, ())), int(torch.randint(30, ()))])
        monkeypatch.setattr(np.random, "randint", lambda *_, centre=centre, **__: next(centre))
        assert box == tuple(timm_mixup.rand_bbox((3, 20, 30), weight))


def test_one_of_both_a_batch() -> None:
    """With both on, half of the batches are cut and half are mixed; off, nothing happens."""
    torch.manual_seed(0)
    images = torch.arange(4.0)[:, None, None, None].expand(4, 1, 8, 8).clone()
    mixing = Mixing(mixup=0.8, cutmix=1.0)
    cuts = [set(mixing(images)[0].unique().tolist()) <= {0.0, 1.0, 2.0, 3.0} for _ in range(2000)]
    assert abs(sum(cuts) / 2000 - 0.5) < 0.04
    assert Mixing(0.0, 0.0)(images) == (images, 1.0)
    only_cut = Mixing(0.0, 1.0)
    assert all(set(only_cut(images)[0].unique().tolist()) <= {0.0, 1.0, 2.0, 3.0} for _ in range(50))
