"""What the tests of runs that prune share."""

from __future__ import annotations

import pytest

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.training import loop


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return Glyphs()


@pytest.fixture(autouse=True)
def _few_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages record, and can be checkpointed, every few updates."""
    monkeypatch.setattr(loop, "CURVE_POINTS", 4)
