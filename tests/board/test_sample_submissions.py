"""Submissions of sample subsets: what is checked of them, and how the board shows them beside class subsets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from board_examples import FULL, card_with, markdown_of, results_of, stored_with, submit, tiny_protocol

from dlth_bench.board.check import check_submission
from dlth_bench.board.submission_folder import read_submission, write_submission
from dlth_bench.datasets.registry import sample_catalog
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.subsets.subset import SizeRange, Subset, SubsetRule
from dlth_bench.util.errors import InputError

FACES = sample_catalog("glyphs", 6).sample_ids
SAMPLES = Subset(dataset="glyphs", unit="sample", ids=FACES[:18:2])
"""Three of the first six faces of three classes."""


@pytest.fixture
def protocol() -> Protocol:
    """The board's tiny protocol on six faces a class, which takes samples, too."""
    plain = tiny_protocol()
    rule = SubsetRule(minimum=2, maximum=10, samples=SizeRange(minimum=8, maximum=20))
    data = plain.data.model_copy(update={"images_per_class": 6})
    return plain.model_copy(update={"subset": rule, "data": data})


def test_submission_round_trips(protocol: Protocol, tmp_path: Path) -> None:
    """What is written is read back and passes the board's checks, its size in classes and in samples."""
    stored = submit(tmp_path, "mine", protocol=protocol, subset=SAMPLES)
    check_submission(stored, protocol)
    assert stored.subset == SAMPLES
    assert (stored.metadata.classes, stored.metadata.samples) == (3, 9)
    assert (stored.scorecard.classes, stored.scorecard.samples) == (3, 9)
    assert (stored.folder / "subset.txt").read_text().startswith("# 9 samples of glyphs, submission mine\n")


def test_class_submissions_say_nothing_of_samples(tmp_path: Path) -> None:
    """Files of class subsets are what they were before there were sample subsets."""
    stored = submit(tmp_path, "mine")
    assert "samples" not in yaml.safe_load((stored.folder / "submission.yaml").read_text())
    assert "samples" not in json.loads((stored.folder / "scorecard.json").read_text())
    assert (stored.folder / "subset.txt").read_text().startswith("# 3 classes of glyphs, submission mine\n")


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (FACES[:21], r"subset\.txt: has 21 samples, the protocol takes 8 to 20"),
        ((*FACES[:7], "U+0023/" + sample_catalog("glyphs").sample_ids[6].split("/")[1]), "is not among the first 6"),
    ],
)
def test_samples_that_the_protocol_does_not_take(
    ids: tuple[str, ...], told: str, protocol: Protocol, tmp_path: Path
) -> None:
    """Too few samples, or samples that the reference was not trained on, are not on the board."""
    stored = submit(tmp_path, "mine", protocol=protocol, subset=Subset(dataset="glyphs", unit="sample", ids=ids))
    with pytest.raises(InputError, match=told):
        check_submission(stored, protocol)


def test_sample_subset_under_a_protocol_of_classes(protocol: Protocol, tmp_path: Path) -> None:
    """A protocol without a rule for samples has none on its board."""
    strict = protocol.model_copy(update={"subset": SubsetRule(minimum=2, maximum=10)})
    stored = submit(tmp_path, "mine", protocol=strict, subset=SAMPLES)
    with pytest.raises(InputError, match="lists samples, but tiny@1 takes class subsets only"):
        check_submission(stored, strict)


def test_results_of_all_samples_are_not_those_of_some(protocol: Protocol, tmp_path: Path) -> None:
    """Results on the classes of the samples, relabelled, are found: they saw more images."""
    classes = Subset(dataset="glyphs", ids=SAMPLES.class_ids)
    results = results_of(protocol, classes)
    stored = submit(tmp_path, "mine", protocol=protocol, subset=SAMPLES, results=results)
    with pytest.raises(InputError, match="another run than this subset's"):
        check_submission(stored, protocol)


@pytest.mark.parametrize("name", ["submission.yaml", "scorecard.json"])
def test_claimed_number_of_samples_is_counted(name: str, protocol: Protocol, tmp_path: Path) -> None:
    """The board's size column is not the submitter's to choose."""
    folder = submit(tmp_path, "mine", protocol=protocol, subset=SAMPLES).folder
    path = folder / name
    document = yaml.safe_load(path.read_text())
    assert document["samples"] == 9
    path.write_text(json.dumps(document | {"samples": 8}))
    with pytest.raises(InputError, match="samples is '8', but the rest of the submission says '9'"):
        read_submission(folder)


def test_unknown_sample_in_a_stored_list(protocol: Protocol, tmp_path: Path) -> None:
    """A sample that the dataset does not have is found with its line."""
    folder = submit(tmp_path, "mine", protocol=protocol, subset=SAMPLES).folder
    path = folder / "subset.txt"
    path.write_text(path.read_text().replace(FACES[2], f"{FACES[2]}x"))
    with pytest.raises(InputError, match=r"subset\.txt:4: 'U\+0021/.*x' is not a training sample of glyphs"):
        read_submission(folder)


def test_another_subset_of_that_name(protocol: Protocol, tmp_path: Path) -> None:
    """What stands there already is described in its own unit."""
    stored = submit(tmp_path, "mine", protocol=protocol, subset=SAMPLES)
    other = submit(tmp_path / "other", "mine", protocol=protocol)
    parts = (other.metadata, other.subset, other.results, other.scorecard)
    with pytest.raises(InputError, match=r"holds a submission of another subset \(9 samples of 3 classes\)"):
        write_submission(stored.folder, *parts)


def test_board_shows_both_units(protocol: Protocol, tmp_path: Path) -> None:
    """A row of samples says how many, and what that means is explained on boards that have one."""
    classes = submit(tmp_path, "classes", protocol=protocol)
    worse = results_of(protocol, SAMPLES, {**FULL, "alpha": (0.1, 0.11)})
    samples = submit(tmp_path, "samples", protocol=protocol, subset=SAMPLES, results=worse)
    board = markdown_of([classes, samples], [protocol])
    rows = {line.split("|")[3].strip(): line.split("|")[5].strip() for line in board.splitlines() if "| RS" in line}
    assert rows == {"classes": "3", "samples": "3 (9 samples)"}
    assert "is that of a subset of training samples" in board
    assert "training samples" not in markdown_of([classes], [protocol])


def test_spread_of_random_subsets_is_of_one_size_and_unit() -> None:
    """Luck on 40 samples is not mixed with luck on 40 classes, nor on 80 samples."""
    stored = [
        stored_with("a", card_with(0.2), policy="RS", classes=40),
        stored_with("b", card_with(0.4), policy="RS", classes=30, samples=40),
        stored_with("c", card_with(0.6), policy="RS", classes=40, samples=40),
        stored_with("d", card_with(0.8), policy="RS", classes=40, samples=80),
    ]
    board = markdown_of(stored, [tiny_protocol()])
    assert "of 40 classes, n = 1: ρs has mean .200 " in board
    assert "of 40 samples, n = 2: ρs has mean .500 and runs from .400 to .600" in board
    assert "of 80 samples, n = 1: ρs has mean .800 " in board
