"""``dlth-bench check``: all that is wrong, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_commands import write_protocol
from board_examples import FULL, OTHER_SUBSET, results_of, submit, tiny_protocol
from command_line import refused, run

from dlth_bench.protocols import protocol_file


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two submissions of a tiny protocol that comes with the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(protocol_file, "shipped_folder", lambda kind: tmp_path / kind)
    write_protocol(tmp_path / "protocols")
    submit(tmp_path / "submissions", "good")
    results = results_of(tiny_protocol(), OTHER_SUBSET, {**FULL, "alpha": (0.1, 0.11)})
    submit(tmp_path / "submissions", "other", subset=OTHER_SUBSET, results=results)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_valid_submissions_pass(place: Path) -> None:
    """A root, a protocol's folder and a submission are all understood."""
    for path, count in (("submissions", "2 submissions"), ("submissions/tiny", "2"), ("submissions/tiny/good", "1 ")):
        assert run("check", path).output.strip().endswith("checked: valid")
        assert run("check", path).output.startswith(count)


def test_edited_accuracy_is_rejected(place: Path) -> None:
    """One accuracy that was raised by hand is found out, with its line and what it should be."""
    edit(place / "submissions" / "tiny" / "good" / "results.jsonl", '"accuracy":0.6,', '"accuracy":0.65,')
    output = run("check", "submissions", code=1).output
    assert (
        "results.jsonl: config 'beta' seed 0: has accuracies per class whose mean is not its accuracy; it is 0.6"
        in (output)
    )
    assert "scorecard.json: configs.1" in output
    assert "2 submissions checked: 1 not valid" in output


def test_all_findings_are_reported(place: Path) -> None:
    """Mistakes in three files take one round, and machines get file, line and field of each."""
    folder = place / "submissions" / "tiny" / "good"
    edit(folder / "submission.yaml", "policy: RS", "policy: =1+1\ncolour: red")
    edit(folder / "results.jsonl", '"accuracy":0.61', '"accuracy":61')
    edit(folder / "subset.txt", "U+0041\nU+0042", "U+0042\nU+0041")
    (folder / "notes.txt").write_text("")
    report = json.loads(run("check", "submissions/tiny/good", "--json", code=1).stdout)
    assert report["valid"] is False
    (one,) = report["submissions"]
    found = {(Path(each["file"]).name, each["line"], each["field"]) for each in one["findings"]}
    assert {
        ("submission.yaml", 7, "policy"),
        ("submission.yaml", 8, "colour"),
        ("results.jsonl", 4, "accuracy"),
        ("notes.txt", None, ""),
    } <= found
    assert one["reached"] == "files"


def test_copies_are_found(place: Path) -> None:
    """The results of one submission do not stand under two names; the one that was there first stays."""
    submit(place / "submissions", "copy")
    output = run("check", "submissions/tiny/copy", code=1).output
    assert "has the results of 'good' under another name" in output
    assert "tiny/copy/results.jsonl" not in run("check", "submissions/tiny/other").output
    output = run("check", "submissions", code=1).output
    assert "tiny/good/results.jsonl: has the results of 'copy'" in output
    assert output.count("under another name") == 1


@pytest.mark.parametrize(("path", "told"), [("nowhere", "no such folder"), ("empty", "holds no submission")])
def test_unusable_input(place: Path, path: str, told: str) -> None:
    """Nothing to check is not the same as nothing wrong."""
    (place / "empty").mkdir()
    assert told in str(refused("check", path))
