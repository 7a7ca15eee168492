"""``dlth-bench select``: a file that says how it came about, or a line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import refused, run

import dlth_bench
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.datasets.subset_files import read_subset

IDS = class_catalog("glyphs").ids
HEADER = "class,accuracy\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path: Path) -> Path:
    """Accuracies that fall in the dataset's own order, for every class."""
    path.write_text(HEADER + "".join(f"{name},{1 - rank / 1000}\n" for rank, name in enumerate(IDS)))
    return path


def test_random_list_says_how_it_was_drawn(place: Path) -> None:
    """The header has all that is needed to draw it again, and ``subsets lint`` takes the file."""
    output = run("select", "rs", "--size", 24, "--seed", 7, "-o", "rs-7.txt").output
    header = (place / "rs-7.txt").read_text().splitlines()[0]
    assert header == f"# rs, 24 of {len(IDS)} classes of glyphs, seed 7, dlth-bench {dlth_bench.__version__}"
    digest = read_subset(place / "rs-7.txt").subset.digest
    assert output == f"rs-7.txt: 24 classes, digest {digest}\n"
    assert run("subsets", "lint", "rs-7.txt").output == f"OK: rs-7.txt: 24 classes of glyphs, digest {digest}\n"
    written = (place / "rs-7.txt").read_bytes()
    run("select", "rs", "--size", 24, "--seed", 7, "-o", "rs-7.txt")
    assert (place / "rs-7.txt").read_bytes() == written


@pytest.mark.parametrize(("policy", "chosen"), [("pd-top", IDS[:12]), ("pd-bottom", IDS[-12:])])
def test_performance_driven_list(place: Path, policy: str, chosen: tuple[str, ...]) -> None:
    """The easiest or hardest classes of a table are written, with the table's name in the header."""
    table(place / "mine.csv")
    run("select", policy, "-n", 12, "--accuracies", "mine.csv", "-o", "out/list.txt")
    assert read_subset(place / "out" / "list.txt").subset.ids == tuple(sorted(chosen))
    assert "accuracies from mine.csv" in (place / "out" / "list.txt").read_text().splitlines()[0]


def test_hostile_table_name_stays_in_the_header(place: Path) -> None:
    """A line break in a file's name does not add a class to the list."""
    name = "a\nU+0041\n\x1b[2J.csv"
    table(place / name)
    output = run("select", "pd-top", "-n", 12, "--accuracies", name, "-o", "x\x1b[2J.txt").output
    assert output.strip().isprintable()
    text = (place / "x\x1b[2J.txt").read_text()
    assert "\x1b" not in text
    assert len(text.splitlines()) == 13


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("class,score\nA,1\n", 1, "needs the columns class and accuracy"),
        ("", 1, "needs the columns"),
        (HEADER + "A,0.5\nAA,0.5\n", 3, "glyphs has no class 'AA'"),
        (HEADER + "A,0.5\nB,half\n", 3, "'half' is not a number"),
        (HEADER + "A,nan\n", 2, "'nan' is not a number"),
        (HEADER + "A\n", 2, "'' is not a number"),
        (HEADER + "A,0.5\nU+0041,0.6\n", 3, "'U+0041' stands twice"),
        (HEADER + 'A,0.5\n"B"x,0.5\n', 3, "not CSV"),
        (HEADER + "A,0.5\n", None, f"has 1 of {len(IDS)} classes"),
    ],
)
def test_wrong_table_is_told_where(place: Path, text: str, line: int | None, told: str) -> None:
    """What is wrong with a table is said with its file and line, and nothing is written."""
    (place / "bad.csv").write_text(text)
    error = refused("select", "pd-top", "-n", 12, "--accuracies", "bad.csv", "-o", "out.txt")
    assert (error.source, error.line) == ("bad.csv", line)
    assert told in error.message
    assert not (place / "out.txt").exists()


def test_missing_table_and_size(place: Path) -> None:
    """What a policy needs is said before anything is written."""
    assert "pd-mid needs --accuracies" in str(refused("select", "pd-mid", "-n", 12, "-o", "out.txt"))
    assert "there are" in str(refused("select", "rs", "-n", 9999, "-o", "out.txt"))
    assert "did you mean 'glyphs'" in str(refused("select", "rs", "-n", 12, "-d", "glyps", "-o", "out.txt"))
    assert list(place.iterdir()) == []
