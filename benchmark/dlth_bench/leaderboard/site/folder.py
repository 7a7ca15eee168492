"""Writing the site into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dlth_bench.leaderboard.site.environment import GENERATOR
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.files import write_atomically
from dlth_bench.spec.quoting import printable


def write_site(folder: Path, pages: Mapping[str, bytes]) -> None:
    """Write all pages, and take away those of an older build that are no longer part of the site.

    Other files in the folder stay as they are. The pages that link to others are written last.

    Raises:
        InputError: the folder is a file, or holds a page that this program has not written where one of its own goes.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("is not a folder", source=printable(str(folder)))
    for path in pages:
        if (folder / path).exists() and not _is_ours(folder / path):
            message = "is not a page of an earlier board; choose an empty folder"
            raise InputError(message, source=printable(str(folder / path)))
    for path in sorted(pages, key=lambda path: -path.count("/")):
        write_atomically(folder / path, pages[path])
    for stale in _pages_in(folder) - {folder / path for path in pages}:
        stale.unlink()


def _pages_in(folder: Path) -> set[Path]:
    """The pages of any build, in the folders where pages lie."""
    found = [*folder.glob("*.html"), *folder.glob("protocols/*.html"), *folder.glob("submissions/*/*.html")]
    return {path for path in found if _is_ours(path)}


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return GENERATOR.encode() in stream.read(512)
