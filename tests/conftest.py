"""The tiny protocol as a fixture, and the examples that tests of several folders share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dlth_bench.datasets.registry import image_dataset
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.protocol_file import read_protocol
from tiny_grid import tiny_text

# board_examples and loopback_hub, site_examples, cifar_files, board_commands, test_metric, official_way
for folder in ("leaderboard", "leaderboard/site", "datasets", "cli", "spec", "speed"):
    sys.path.insert(0, str(Path(__file__).parent / folder))


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny protocol as a file, for the installed dataset."""
    path = tmp_path_factory.mktemp("protocol") / "tiny.yaml"
    path.write_text(tiny_text(image_dataset("glyphs").manifest_digest))
    return path


@pytest.fixture(scope="session")
def tiny(tiny_file: Path) -> Protocol:
    return read_protocol(tiny_file)
