"""Submission folders: what is written can be read, and nothing a stranger wrote gets further than an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from board_examples import OTHER_SUBSET, SUBSET, metadata_of, results_of, submit, tiny_protocol

from dlth_bench.board.check import check_submission
from dlth_bench.board.submission_folder import read_submission, read_submissions, write_submission
from dlth_bench.runs.score import score_results
from dlth_bench.util.errors import InputError


def _folder(root: Path) -> Path:
    return submit(root, "mine").folder


def _refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_submission(folder)
    assert str(caught.value).isprintable()
    return str(caught.value)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_round_trip(tmp_path: Path) -> None:
    """What is submitted comes back equal: metadata, classes, results and score."""
    protocol = tiny_protocol()
    stored = submit(
        tmp_path, "mine", authors=("Ada Ł.", "Alan T."), description="It's 1: a #test", url="https://x.org/a"
    )
    assert stored.metadata == metadata_of(
        protocol, SUBSET, "mine", authors=("Ada Ł.", "Alan T."), description="It's 1: a #test", url="https://x.org/a"
    )
    assert stored.subset == SUBSET
    assert list(stored.results) == results_of(protocol)
    assert stored.scorecard == score_results(protocol, SUBSET, results_of(protocol))
    check_submission(stored, protocol)


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    """A submission is exactly its four files."""
    names = {path.name for path in _folder(tmp_path).iterdir()}
    assert names == {"submission.yaml", "subset.txt", "results.jsonl", "scorecard.json"}


def test_another_subset_is_not_overwritten(tmp_path: Path) -> None:
    """A name that is taken by another subset stays as it is, unless the user insists."""
    folder = _folder(tmp_path)
    protocol = tiny_protocol()
    results = results_of(protocol, OTHER_SUBSET)
    parts = (metadata_of(protocol, OTHER_SUBSET, "mine"), OTHER_SUBSET, results)
    card = score_results(protocol, OTHER_SUBSET, results)
    with pytest.raises(InputError, match="another subset"):
        write_submission(folder, *parts, card)
    assert read_submission(folder).subset == SUBSET
    write_submission(folder, *parts, card, replace=True)
    assert read_submission(folder).subset == OTHER_SUBSET


def test_same_subset_is_updated(tmp_path: Path) -> None:
    """Submitting the same subset again renews its text."""
    submit(tmp_path, "mine", description="first")
    assert submit(tmp_path, "mine", description="second").metadata.description == "second"


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A folder that is a link elsewhere is not written to."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "mine").symlink_to(outside)
    with pytest.raises(InputError, match="is a link"):
        submit(tmp_path, "mine")
    assert not list(outside.iterdir())


def test_write_refuses_parts_of_different_subsets(tmp_path: Path) -> None:
    """A scorecard of other classes than the metadata's never becomes a submission."""
    protocol = tiny_protocol()
    card = score_results(protocol, OTHER_SUBSET, results_of(protocol, OTHER_SUBSET))
    folder = tmp_path / "tiny" / "mine"
    with pytest.raises(InputError, match="subset_digest"):
        write_submission(folder, metadata_of(protocol, SUBSET, "mine"), SUBSET, results_of(protocol), card)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["submission.yaml", "subset.txt", "results.jsonl", "scorecard.json"])
def test_linked_file_is_refused(tmp_path: Path, name: str) -> None:
    """A file that is a link, even to a valid copy, is not read."""
    folder = _folder(tmp_path)
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert "links are not followed" in _refusal(folder)


def test_linked_folder_is_refused(tmp_path: Path) -> None:
    """A link among the submissions is an error, not a way out of the folder."""
    outside = submit(tmp_path / "outside", "mine").folder
    (tmp_path / "submissions" / "tiny").mkdir(parents=True)
    (tmp_path / "submissions" / "tiny" / "mine").symlink_to(outside)
    with pytest.raises(InputError, match="is a link"):
        read_submissions(tmp_path / "submissions")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "tiny").symlink_to(outside.parent)
    with pytest.raises(InputError, match="is a link"):
        read_submissions(tmp_path / "linked")


def test_pipe_is_refused(tmp_path: Path) -> None:
    """A named pipe in place of a file must not make the reader wait for ever."""
    folder = _folder(tmp_path)
    (folder / "results.jsonl").unlink()
    os.mkfifo(folder / "results.jsonl")
    assert "not a plain file" in _refusal(folder)


@pytest.mark.parametrize("name", ["submission.yaml", "subset.txt", "results.jsonl", "scorecard.json"])
def test_huge_file_is_refused(tmp_path: Path, name: str) -> None:
    """A file of a gigabyte is refused by its size, before it is read."""
    folder = _folder(tmp_path)
    with (folder / name).open("r+b") as file:
        file.truncate(1 << 30)  # sparse: takes no room
    assert "1073741824 bytes" in _refusal(folder)


def test_foreign_file_is_refused(tmp_path: Path) -> None:
    """Nothing rides along, such as pickled weights that somebody might load."""
    folder = _folder(tmp_path)
    (folder / "weights.pkl").write_bytes(b"")
    assert "weights.pkl: does not belong" in _refusal(folder)


@pytest.mark.parametrize("name", ["submission.yaml", "subset.txt", "results.jsonl", "scorecard.json"])
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    """A submission that lacks a file is told which."""
    folder = _folder(tmp_path)
    (folder / name).unlink()
    assert _refusal(folder) == f"{folder / name}: is missing"


def test_yaml_tag_executes_nothing(tmp_path: Path) -> None:
    """A Python tag in the metadata is an error; its command does not run."""
    folder = _folder(tmp_path)
    ran = tmp_path / "ran"
    (folder / "submission.yaml").write_text(f"name: !!python/object/apply:os.mkdir ['{ran}']\n")
    assert f"{folder / 'submission.yaml'}:1: is not YAML" in _refusal(folder)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &a {k: v}\nb: &b {<<: [*a, *a]}\nc: {<<: [*b, *b]}\n", ":2: holds a YAML alias"),
        ("a: " + "[" * 5000, ":1: is nested too deeply"),
        ("date: 2026-13-45\n", ": is not YAML: a value cannot be read"),
        ("name: 'x\n", ":2: is not YAML"),
        ("- just\n- a list\n", ": submission: Input should be a valid dictionary"),
        ("", ": submission: Input should be a valid dictionary"),
        ("name: \x07\n", ": is not YAML"),
    ],
    ids=["bomb", "deep", "date", "quote", "list", "empty", "control"],
)
def test_broken_yaml_is_an_input_error(tmp_path: Path, text: str, told: str) -> None:
    """Alias bombs, deep nesting and other malformed metadata end as one readable line, at once."""
    folder = _folder(tmp_path)
    (folder / "submission.yaml").write_text(text)
    assert _refusal(folder).startswith(f"{folder / 'submission.yaml'}{told}")


def test_unknown_field_is_named_with_its_line(tmp_path: Path) -> None:
    """A misspelt field is an error with file and line, not silently dropped."""
    folder = _folder(tmp_path)
    _edit(folder / "submission.yaml", "policy:", "colour: red\npolicy:")
    assert f"{folder / 'submission.yaml'}:7: colour: Extra inputs" in _refusal(folder)


def test_bad_result_is_named_with_its_line(tmp_path: Path) -> None:
    """An accuracy above 1 is refused, with the line it stands on."""
    folder = _folder(tmp_path)
    _edit(folder / "results.jsonl", '"accuracy":0.61', '"accuracy":61')
    assert f"{folder / 'results.jsonl'}:4: accuracy" in _refusal(folder)


def test_result_given_twice_is_refused(tmp_path: Path) -> None:
    """The better of two results of one run cannot be chosen by giving both."""
    folder = _folder(tmp_path)
    lines = (folder / "results.jsonl").read_text().splitlines()
    (folder / "results.jsonl").write_text("\n".join([*lines, lines[1]]) + "\n")
    assert ":9: config 'alpha' seed 1 stands on line 2 already" in _refusal(folder)


def test_unknown_class_is_named_with_its_line(tmp_path: Path) -> None:
    """A class that the dataset does not have is refused, with the line it stands on."""
    folder = _folder(tmp_path)
    _edit(folder / "subset.txt", "U+0042", "U+FFFF")
    assert f"{folder / 'subset.txt'}:3: 'U+FFFF' is not a class" in _refusal(folder)


def test_changed_classes_are_noticed(tmp_path: Path) -> None:
    """The class list that is published is the one that was scored."""
    folder = _folder(tmp_path)
    _edit(folder / "subset.txt", "U+0043", "U+0044")
    assert "subset_digest" in _refusal(folder)


def test_moved_folder_is_noticed(tmp_path: Path) -> None:
    """A submission counts for the protocol and under the name that it was made for."""
    folder = _folder(tmp_path)
    assert "name is 'mine'" in _refusal(folder.rename(folder.with_name("other")))


def test_read_submissions_is_sorted_and_filtered(tmp_path: Path) -> None:
    """All protocols are read in a fixed order, or one of them; files that stand beside do not matter."""
    submit(tmp_path, "b")
    submit(tmp_path, "a")
    submit(tmp_path, "c", protocol=tiny_protocol(name="small"))
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "tiny" / ".DS_Store").write_text("")
    assert [stored.metadata.name for stored in read_submissions(tmp_path)] == ["c", "a", "b"]
    assert [stored.metadata.name for stored in read_submissions(tmp_path, "tiny")] == ["a", "b"]
    assert read_submissions(tmp_path / "nowhere") == []
