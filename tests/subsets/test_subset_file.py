"""Subset files on disk: what cannot be read is named in one line that is safe to print."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo
from dlth_bench.subsets.subset import MAX_SUBSET_BYTES, load_subset
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted

GLYPHS = ClassCatalog("glyphs", "a code point such as U+0041", (ClassInfo("U+0041", "A"), ClassInfo("U+0042", "B")))


def _file_refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        load_subset(path, GLYPHS)
    assert str(caught.value).isprintable()
    return caught.value


def test_hostile_file_name_is_escaped(tmp_path: Path) -> None:
    """The name of a file may hold escape sequences as well."""
    path = tmp_path / "a\x1b[2Jb.txt"
    path.write_text("nope\n")
    assert r"a\x1b[2Jb.txt:1: 'nope'" in str(_file_refusal(path))


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"U+0041\nU+0042\n\xff\xfa\n", 3, "is not UTF-8 text (byte 0xff)"),
        (b"U+0041\r\nU+\x0000\n", 2, "NUL byte"),
        ("U+0041\n".encode("utf-16"), 1, "UTF-16"),
        ("\ufeffU+0041\n".encode("utf-16-be"), 1, "UTF-16"),
        ("U+0041\n".encode("utf-16-le"), 1, "NUL byte"),
    ],
)
def test_not_text(data: bytes, line: int, words: str, tmp_path: Path) -> None:
    """A binary file or one in another encoding is named as such, at the line where it shows."""
    path = tmp_path / "s.txt"
    path.write_bytes(data)
    refusal = _file_refusal(path)
    assert str(refusal).startswith(f"{path}:{line}: ")
    assert words in str(refusal)


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    """Giving a folder says that it is one."""
    assert str(_file_refusal(tmp_path)) == f"{tmp_path}: is a folder, not a file"


def test_missing_file_suggests_a_neighbour(tmp_path: Path) -> None:
    """A mistyped file name gets the name that is there."""
    (tmp_path / "subset.txt").write_text("A\n")
    path = tmp_path / "subst.txt"
    assert str(_file_refusal(path)) == f"{path}: no such file; did you mean 'subset.txt'?"


@pytest.mark.parametrize("parts", [("gone", "s.txt"), ("file", "s.txt")])
def test_missing_folder(parts: tuple[str, ...], tmp_path: Path) -> None:
    """When the folder is missing (or a file), that is what the message says."""
    (tmp_path / "file").write_text("")
    refusal = _file_refusal(tmp_path.joinpath(*parts))
    assert "no such file: its folder" in str(refusal)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_impossible_file_name(name: str, tmp_path: Path) -> None:
    """A name that no file can have is refused, not a traceback."""
    assert len(_file_refusal(tmp_path / name).message) < 100


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file(tmp_path: Path) -> None:
    """A file without read permission says so."""
    path = tmp_path / "s.txt"
    path.write_text("A\n")
    path.chmod(0)
    assert "permission denied" in str(_file_refusal(path))


def test_permission_error_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same promise where the test runs as root, who may read every file."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert str(_file_refusal(tmp_path / "s.txt")).endswith("s.txt: cannot be read: permission denied")


def test_huge_file_is_not_read(tmp_path: Path) -> None:
    """A file beyond the limit is refused before it is parsed."""
    path = tmp_path / "s.txt"
    path.touch()
    os.truncate(path, MAX_SUBSET_BYTES + 1)
    assert "is larger than 65536 KiB" in str(_file_refusal(path))


@given(st.text(), st.integers(3, 80))
def test_printable_is_printable_and_short(text: str, limit: int) -> None:
    """Whatever comes in, one line of visible text of bounded length comes out."""
    assert printable(text, limit).isprintable()
    assert len(printable(text, limit)) <= limit
    assert len(quoted(text, limit)) <= limit + 2
