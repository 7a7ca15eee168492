"""Where the shipped protocols and subsets are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.util import files as shipped
from dlth_bench.util.errors import InputError


def _package(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = root / "benchmark" / "dlth_bench"
    package.mkdir(parents=True)
    monkeypatch.setattr(shipped, "_PACKAGE", package)
    return package


def test_checkout_uses_the_repository_folders() -> None:
    """In a checkout the lists are those at its top level, so that an edit is seen at once."""
    root = Path(__file__).parents[2]
    assert shipped.shipped_folder("subsets") == root / "subsets"


def test_wheel_carries_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package uses what it carries, whatever lies in the folders above it."""
    package = _package(tmp_path, monkeypatch)
    (package / "_shipped" / "protocols").mkdir(parents=True)
    (tmp_path / "protocols").mkdir()
    assert shipped.shipped_folder("protocols") == package / "_shipped" / "protocols"


def test_foreign_folder_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that happens to be called subsets above site-packages is not ours."""
    _package(tmp_path, monkeypatch)
    (tmp_path / "subsets").mkdir()
    with pytest.raises(InputError, match="this installation carries no subsets"):
        shipped.shipped_folder("subsets")
