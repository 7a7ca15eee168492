"""A tiny protocol and subset for tests of the harness."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.datasets.registry import class_catalog, image_dataset
from dlth_bench.harness.plan import Plan, make_plan
from dlth_bench.harness.store import Store
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.protocol_file import read_protocol

CLASSES = ("U+0041", "U+0042", "U+0043", "U+0044")


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny protocol as a file, for the installed dataset."""
    text = (Path(__file__).parent / "tiny.yaml").read_text()
    path = tmp_path_factory.mktemp("protocol") / "tiny.yaml"
    path.write_text(text.replace("MANIFEST", f'"{image_dataset("glyphs").manifest_digest}"'))
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
    return make_plan(tiny, CLASSES, class_catalog("glyphs"), store)
