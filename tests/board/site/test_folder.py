"""The site in a folder: what is not ours stays, what is stale goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.board.site.build import write_site
from dlth_bench.board.site.templates import GENERATOR
from dlth_bench.util.errors import InputError

PAGE = f"<!doctype html>{GENERATOR}".encode()


def test_stale_pages_go_and_others_stay(tmp_path: Path) -> None:
    """The page of a submission that was taken back disappears; a file that somebody put there does not."""
    write_site(tmp_path, {"index.html": PAGE, "submissions/tiny@1/gone.html": PAGE})
    (tmp_path / "submissions" / "tiny@1" / "notes.html").write_text("mine")
    write_site(tmp_path, {"index.html": PAGE})
    assert {path.name for path in tmp_path.rglob("*.html")} == {"index.html", "notes.html"}


def test_foreign_page_is_not_overwritten(tmp_path: Path) -> None:
    """A homepage that lies in the chosen folder is not lost, and nothing is written beside it."""
    (tmp_path / "index.html").write_text("my homepage")
    with pytest.raises(InputError, match="not a page of an earlier board"):
        write_site(tmp_path, {"compare.html": PAGE, "index.html": PAGE})
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_file_is_not_a_folder(tmp_path: Path) -> None:
    """A mistyped path is one line."""
    (tmp_path / "site").write_text("")
    with pytest.raises(InputError, match="is not a folder"):
        write_site(tmp_path / "site", {"index.html": PAGE})
