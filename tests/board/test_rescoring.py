"""Scoring anew: scorecards follow the results again, and what changes is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_examples import OTHER_SUBSET, results_of, submit, tiny_protocol

from dlth_bench.board.check import check_submission
from dlth_bench.board.rank import rescore
from dlth_bench.board.submission_folder import read_submission, read_submissions
from dlth_bench.util.errors import InputError


def _edit(folder: Path, **fields: object) -> None:
    document = json.loads((folder / "scorecard.json").read_text())
    (folder / "scorecard.json").write_text(json.dumps(document | fields))


def test_scorecards_follow_the_results_again(tmp_path: Path) -> None:
    """A scorecard of an older scorer, without the figures of today, becomes one that the check accepts."""
    protocol = tiny_protocol()
    stored = submit(tmp_path, "mine")
    fresh = (stored.folder / "scorecard.json").read_bytes()
    _edit(stored.folder, spearman={"value": 0.4}, steps=[], decision=None)
    found = rescore(read_submissions(tmp_path), {protocol.key: protocol})
    assert [one.told for one in found] == ["tiny@1 mine: ρs .400 –, rank 1 -> ρs 1.000 [1.000, 1.000], rank 1"]
    assert (stored.folder / "scorecard.json").read_bytes() == fresh
    check_submission(read_submission(stored.folder), protocol)
    assert [one.told for one in rescore(read_submissions(tmp_path), {protocol.key: protocol})] == [
        "tiny@1 mine: unchanged, ρs 1.000 [1.000, 1.000], rank 1"
    ]


def test_nothing_is_written_if_one_is_not_valid(tmp_path: Path) -> None:
    """Results of another subset stop the whole re-score, and all scorecards stay as they were."""
    protocol = tiny_protocol()
    good = submit(tmp_path, "good")
    _edit(good.folder, notes=["old"])
    before = (good.folder / "scorecard.json").read_bytes()
    submit(tmp_path, "odd", results=results_of(protocol, OTHER_SUBSET))
    with pytest.raises(InputError, match="another run than this subset's"):
        rescore(read_submissions(tmp_path), {protocol.key: protocol})
    assert (good.folder / "scorecard.json").read_bytes() == before
