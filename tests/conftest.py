"""The tiny protocol as a fixture, and the examples that tests of several folders share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dlth_bench.datasets.registry import image_dataset
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import read_protocol
from dlth_bench.runs.plan import Plan, make_plan
from dlth_bench.runs.store import Store
from tiny_grid import SUBSET, tiny_text

# Modules of examples that several folders of tests use.
for folder in ("board", "board/site", "datasets", "cli", "protocols", "speed", "training", "training/methods"):
    sys.path.insert(0, str(Path(__file__).parent / folder))

# By default an example that takes longer than 200 ms fails, which on a busy machine any may.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny protocol as a file, for the installed dataset."""
    path = tmp_path_factory.mktemp("protocol") / "tiny.yaml"
    path.write_text(tiny_text(image_dataset("glyphs").manifest_digest))
    return path


@pytest.fixture(scope="session")
def tiny(tiny_file: Path) -> Protocol:
    return read_protocol(tiny_file)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def plan(tiny: Protocol, store: Store) -> Plan:
    """All six runs of the tiny protocol on four letters."""
    return make_plan(tiny, SUBSET, store)
