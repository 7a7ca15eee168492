"""A board of an old protocol version stays: it is scored with its own reference, and scoring anew says what changes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from board_commands import run, write_protocol
from board_examples import FULL, OTHER_SUBSET, card_of, results_of, submit, tiny_protocol

from dlth_bench.board.submission_folder import write_scorecard
from dlth_bench.protocols import protocol_file

REVERSED = dict(zip(FULL, reversed(FULL.values()), strict=True))
OLD = tiny_protocol()
NEW = tiny_protocol(REVERSED).model_copy(update={"version": 2})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two versions of a protocol whose references disagree, and three submissions with the same accuracies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(protocol_file, "shipped_folder", lambda kind: tmp_path / kind)
    for protocol in (OLD, NEW):
        path = write_protocol(tmp_path / "protocols", protocol)
        path.rename(path.with_stem(protocol.key))
    submit(tmp_path / "submissions", "of-old", protocol=OLD)
    worse = {**FULL, "alpha": (0.1, 0.11)}
    submit(
        tmp_path / "submissions",
        "of-old-too",
        protocol=OLD,
        subset=OTHER_SUBSET,
        results=results_of(OLD, OTHER_SUBSET, worse),
    )
    submit(tmp_path / "submissions", "of-new", protocol=NEW, results=results_of(NEW, accuracies=FULL))
    return tmp_path


def test_each_version_has_a_board_by_its_own_reference(place: Path) -> None:
    """The same accuracies agree with the old reference and contradict the new one; both boards are there."""
    rows = {row["name"]: row for row in json.loads(run("leaderboard", "--json").stdout)}
    assert (rows["of-old"]["protocol"], rows["of-old"]["spearman"]["value"]) == ("tiny@1", pytest.approx(1.0))
    assert (rows["of-new"]["protocol"], rows["of-new"]["spearman"]["value"]) == ("tiny@2", pytest.approx(-1.0))
    assert rows["of-old"]["rank"] == rows["of-new"]["rank"] == [1, 1]
    board = (place / "leaderboard.md").read_text()
    new, old = board.split("## tiny@2")[1].split("## tiny@1")
    assert "of-old" in old and "of-old" not in new and "of-new" in new
    assert re.search(r"Alpha net \| +80\.5 ", old)
    assert re.search(r"Alpha net \| +20\.5 ", new)


def test_scoring_an_old_board_anew_says_which_ranks_change(place: Path) -> None:
    """After a change of the scorer the old board is scored with its own reference, and each rank that moves is told."""
    folder = place / "submissions" / "tiny" / "of-old"
    fresh = (folder / "scorecard.json").read_bytes()
    write_scorecard(folder, card_of(REVERSED))  # as a scorer with another opinion would have left it
    told = run("leaderboard", "--rescore").stderr
    assert "tiny@1 of-old: ρs -1.000 [-1.000, -1.000], rank 2 -> ρs 1.000 [1.000, 1.000], rank 1" in told
    assert "tiny@1 of-old-too: ρs -.200 [-.200, -.200], rank 1 -> ρs -.200 [-.200, -.200], rank 2" in told
    assert "tiny@2 of-new: unchanged, ρs -1.000 [-1.000, -1.000], rank 1" in told
    assert (folder / "scorecard.json").read_bytes() == fresh
