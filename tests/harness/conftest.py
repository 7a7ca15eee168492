"""A store, and the plan of the tiny protocol in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.harness.plan import Plan, make_plan
from dlth_bench.harness.store import Store
from dlth_bench.spec.protocol import Protocol
from tiny_grid import SUBSET


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def plan(tiny: Protocol, store: Store) -> Plan:
    """All six runs of the tiny protocol on four letters."""
    return make_plan(tiny, SUBSET, store)
