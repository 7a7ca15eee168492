"""What a subset saved."""

from __future__ import annotations

import math

import pytest

from dlth_bench.protocols.protocol import Cost
from dlth_bench.scoring.score import Saving, savings


def test_savings_in_each_resource() -> None:
    """A tenth of the images is 90 % saved and ten times cheaper, whatever the clock says."""
    saved = savings(Cost(images=10, flops=2e9, device_seconds=50.0), Cost(images=100, flops=8e9, device_seconds=40.0))
    assert saved.images == Saving(fraction=pytest.approx(0.9), factor=pytest.approx(10.0))
    assert saved.flops == Saving(fraction=pytest.approx(0.75), factor=pytest.approx(4.0))
    assert saved.device_seconds == Saving(fraction=pytest.approx(-0.25), factor=pytest.approx(0.8))


def test_unmeasured_and_free() -> None:
    """An unmeasured full cost gives no number; a free subset saves everything."""
    saved = savings(Cost(images=0, flops=1.0, device_seconds=1.0), Cost(images=5, flops=0.0, device_seconds=1.0))
    assert saved.images == Saving(fraction=1.0, factor=math.inf)
    assert saved.flops is None
    assert saved.device_seconds == Saving(fraction=0.0, factor=1.0)
