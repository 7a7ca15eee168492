"""Wrong input: one line that says what and where, exit code 2, no traceback, and a store as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import GLYPHS_SSL, refused

import dlth_bench
from dlth_bench.cli.main import main
from dlth_bench.datasets.registry import class_catalog

LETTERS = "".join(f"{letter}\n" for letter in "ABCDEFGHIJKL")
"""Enough classes for glyphs-ssl."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a good class list and several bad ones."""
    monkeypatch.chdir(tmp_path)
    lists = {
        "good.txt": LETTERS,
        "unknown.txt": LETTERS + "u+0061\n",
        "duplicate.txt": LETTERS + "A\n",
        "empty.txt": "",
        "comments.txt": "# nothing\n\n",
        "few.txt": "A\nB\n",
        "many.txt": "".join(f"{name}\n" for name in class_catalog("glyphs").ids[:61]),
        "imagenet.txt": "n01440764\nn01443537\nn01484850\n",
        "[/x].txt": LETTERS + "[/bold]\n",
        "a\nb\x1b[2J.txt": "A\nA\n",
    }
    for name, text in lists.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "binary.txt").write_bytes(b"A\nB\n\xff\x00\x01")
    (tmp_path / "folder").mkdir()
    return tmp_path


def stopped(arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What ``main`` prints on stderr when it refuses."""
    monkeypatch.setattr(sys, "argv", ["dlth-bench", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    assert printed.err.startswith("error: ")
    assert printed.err.endswith("\n")
    assert printed.err[:-1].isprintable()  # which a line break is not
    return printed.err[len("error: ") : -1]


@pytest.mark.parametrize("extra", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("subset", "told"),
    [
        ("unknown.txt", "unknown.txt:13: 'u+0061' is not a class of glyphs; did you mean 'U+0061'?"),
        ("duplicate.txt", "duplicate.txt:13: 'A' is listed twice, first on line 1"),
        ("empty.txt", "empty.txt: lists no class; expected one ID a line, a code point"),
        ("comments.txt", "comments.txt: lists no class"),
        ("few.txt", "few.txt: has 2 classes, the protocol takes 10 to 60"),
        ("many.txt", "many.txt: has 61 classes, the protocol takes 10 to 60"),
        ("imagenet.txt", "imagenet.txt:1: looks like a class list of imagenet, but this dataset is glyphs"),
        ("imagenette", "'imagenette' is a subset of imagenet, but this dataset is glyphs"),
        ("demo-25", "'demo-25' is neither a file nor a shipped subset; did you mean 'demo-24'?"),
        ("binary.txt", "binary.txt:3: is not UTF-8 text (byte 0xff)"),
        ("folder/", "is a folder, not a file"),
        ("goood.txt", "goood.txt: no such file; did you mean 'good.txt'?"),
        ("gone/good.txt", "gone/good.txt: no such file: its folder 'gone' does not exist"),
        ("[/x].txt", "[/x].txt:13: '[/bold]' is not a class of glyphs"),
        ("a\nb\x1b[2J.txt", r"a\nb\x1b[2J.txt:2: 'A' is listed twice"),
        ("\x1b[31mred", r"'\x1b[31mred' is neither a file nor a shipped subset"),
    ],
)
def test_wrong_subset(
    place: Path,
    subset: str,
    told: str,
    extra: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every way to give a wrong class list ends in one line with the place, and creates no store."""
    assert told in stopped(["run", "--subset", subset, *extra], capsys, monkeypatch)
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--protocol", "glyphs-sll"],
            "no protocol 'glyphs-sll'; did you mean 'glyphs-ssl'? The shipped ones: agnews-text@1, ",
        ),
        (["--protocol", "mine.yaml"], "mine.yaml: no such file"),
        (["--protocol", "[/red]\x1b[2J"], r"no protocol '[/red]\x1b[2J'"),
        (["--configs", "moco-v3"], f"{GLYPHS_SSL} has no config 'moco-v3'; it has moco-v1-short"),
        (["--configs", ","], f"no config given; {GLYPHS_SSL} has moco-v1-short"),
        (["--seeds", "0,9"], "--seeds: '9' given; the protocol's seeds are 0, 1, 2"),
        (["--seeds", "--1"], "--seeds: '--1' given"),
        (["--seeds", "²"], "--seeds: '²' given"),
        (["--seeds", ""], "--seeds: nothing given"),
        (["--device", "gpu"], "--device: 'gpu' is none of auto, cpu, cuda, mps"),
        (["--out", "good.txt"], "good.txt: is a file; the store must be a folder"),
    ],
)
def test_wrong_option(place: Path, options: list[str], told: str) -> None:
    """A wrong value is named together with the right ones, and nothing is trained."""
    before = sorted(place.iterdir())
    error = str(refused("run", "--subset", "good.txt", *options))
    assert told in error.replace("\x1b", r"\x1b")
    assert sorted(place.iterdir()) == before


def test_device_that_is_not_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing GPU is said at once, not by every run of the grid."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "torch finds no cuda here" in str(refused("run", "--subset", "good.txt", "--device", "cuda", "--dry-run"))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["select", "rs", "-n", "12", "-o", "folder"], "folder: Is a directory"),
        (["select", "rs", "-n", "12", "-o", "good.txt/list.txt"], "good.txt"),
        (["run", "-s", "good.txt", "-o", "good.txt/runs", "--dry-run"], "good.txt/runs"),
        (["score", "-s", "good.txt"], f"runs: no run of 'good' under {GLYPHS_SSL}"),
        (["score"], "give either --subset (stored runs) or --csv"),
        (["protocols", "check", "few.txt"], "few.txt: a protocol is a mapping"),
    ],
)
def test_other_commands(
    place: Path,
    command: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Files that cannot be read or written are named by every command, and leave no litter."""
    before = sorted(place.iterdir())
    assert told in stopped(command, capsys, monkeypatch)
    assert sorted(place.iterdir()) == before


def test_real_process(place: Path) -> None:
    """The same as a process of its own: exit code 2, one line on stderr, nothing on stdout, no store."""
    environment = os.environ | {"PYTHONPATH": str(Path(dlth_bench.__file__).parents[1])}
    command = [sys.executable, "-m", "dlth_bench.cli.main", "run", "--subset", "unknown.txt"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown.txt:13: 'u+0061' is not a class of glyphs; did you mean 'U+0061'?\n"
    assert not (place / "runs").exists()
