"""From submissions to the Hub and back: what is published, proposed and fetched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from board_examples import OTHER_SUBSET, submit, tiny_protocol
from loopback_hub import LoopbackHub
from loopback_hub.repositories import Blob, Repository

from dlth_bench.board.hub.propose import propose_submission
from dlth_bench.board.hub.publish import publish_board, publish_site
from dlth_bench.board.hub.pull import Pulled, pull_submissions
from dlth_bench.board.hub.repository import HubRepository, Patience, hub_repository
from dlth_bench.board.submission_folder import StoredSubmission, read_submissions
from dlth_bench.util.errors import InputError

pytestmark = pytest.mark.usefixtures("writer")

TABLES = {"README.md": b"---\nlicense: apache-2.0\n---\n", "leaderboard.csv": b"name\nmine\n"}
MINE = "submissions/tiny/mine"


@pytest.fixture
def held(hub: LoopbackHub) -> Repository:
    return hub.repository("lab/board")


@pytest.fixture
def board(held: Repository) -> HubRepository:
    return hub_repository("lab/board", option="--publish", writes=True)


@pytest.fixture
def mine(tmp_path: Path) -> StoredSubmission:
    return submit(tmp_path / "submissions", "mine")


def valid(_: StoredSubmission) -> None:
    """A check that all pass."""


def test_board_goes_up_and_comes_back(
    held: Repository, board: HubRepository, mine: StoredSubmission, tmp_path: Path, patience: Patience
) -> None:
    """What is fetched is what was published, byte for byte, and publishing it again changes nothing."""
    publish_board(board, [mine], TABLES, patience=patience)
    checked: list[StoredSubmission] = []
    done = pull_submissions(board, tmp_path / "new" / "pulled", checked.append, patience=patience)
    assert done == Pulled(held.head.oid, new=1)
    assert [stored.metadata for stored in checked] == [mine.metadata]
    (again,) = read_submissions(tmp_path / "new" / "pulled")
    for path in mine.folder.iterdir():
        assert (again.folder / path.name).read_bytes() == path.read_bytes()
    assert not publish_board(board, [again], TABLES, patience=patience).changed
    assert pull_submissions(board, tmp_path / "new" / "pulled", valid, patience=patience).same == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["pulled"]


def test_submissions_of_others_are_not_lost(
    held: Repository, board: HubRepository, mine: StoredSubmission, tmp_path: Path, patience: Patience
) -> None:
    """A publication that lacks a submission which is on the Hub says so, and deletes it only when told."""
    other = submit(tmp_path / "elsewhere", "other", subset=OTHER_SUBSET)
    publish_board(board, [other], TABLES, patience=patience)
    with pytest.raises(InputError, match=r"not here: submissions/tiny/other; fetch them with: .* --pull lab/board"):
        publish_board(board, [mine], TABLES, patience=patience)
    publish_board(board, [mine], TABLES, prune=True, patience=patience)
    assert {path.rpartition("/")[0] for path in held.head.files if path.startswith("submissions/")} == {MINE}


def test_site_of_a_space(hub: LoopbackHub, patience: Patience) -> None:
    """A Space gets the site and the card that makes it static; pages of the last site that are gone are deleted."""
    space = hub.repository("lab/site", "spaces")
    app = hub_repository("lab/site", "space", option="--space", writes=True)
    with pytest.raises(InputError, match=r"no index\.html"):
        publish_site(app, {"pages/a.html": b"a"}, title="Board", patience=patience)
    site = {"index.html": b"<!doctype html>", "pages/a.html": b"a"}
    publish_site(app, site, title="Board", patience=patience)
    assert b"sdk: static" in space.head.files["README.md"].data
    publish_site(app, {"index.html": b"new"}, title="Board", patience=patience)
    assert "pages/a.html" not in space.head.files
    assert space.head.files["index.html"].data == b"new"


@pytest.mark.parametrize("kind", ["none", "lost", "late", "unavailable", "dropped"])
def test_proposal_is_one_pull_request(
    hub: LoopbackHub, held: Repository, board: HubRepository, mine: StoredSubmission, patience: Patience, kind: str
) -> None:
    """One commit in one pull request, whatever happens to its answer; a second call finds the first."""
    hub.fault(kind, match="/commit/")
    done = propose_submission(board, mine, patience=patience)
    assert done.opened
    assert done.url == f"{hub.url}/datasets/lab/board/discussions/1"
    assert propose_submission(board, mine, patience=patience).opened is False
    assert [request.title for request in held.pull_requests] == [held.at("refs/pr/1").message]
    assert held.at("refs/pr/1").parent == held.head.oid
    assert sorted(held.at("refs/pr/1").files)[1:] == sorted(f"{MINE}/{path.name}" for path in mine.folder.iterdir())


def test_reader_may_propose_and_maintainer_merge(
    hub: LoopbackHub,
    held: Repository,
    board: HubRepository,
    mine: StoredSubmission,
    tmp_path: Path,
    patience: Patience,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever may not write can still propose; once merged it is fetched like any other, and not proposed again."""
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    propose_submission(board, mine, patience=patience)
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    board.api.merge_pull_request("lab/board", 1, repo_type="dataset")
    assert pull_submissions(board, tmp_path / "pulled", valid, patience=patience).new == 1
    done = propose_submission(board, mine, patience=patience)
    assert (done.url, done.opened) == (f"{hub.url}/datasets/lab/board", False)
    assert len(held.pull_requests) == 1


def test_taken_name_is_not_proposed(
    board: HubRepository, held: Repository, mine: StoredSubmission, tmp_path: Path, patience: Patience
) -> None:
    """Another submission of the name stays unless its replacement is asked for."""
    publish_board(board, [mine], TABLES, patience=patience)
    other = submit(tmp_path / "other", "mine", subset=OTHER_SUBSET)
    with pytest.raises(InputError, match="has another submission tiny/mine; choose another --name"):
        propose_submission(board, other, patience=patience)
    assert propose_submission(board, other, replace=True, patience=patience).opened


@pytest.mark.parametrize(
    ("path", "data", "told"),
    [
        (f"{MINE}/extra.pkl", b"", "has no place in a submission"),
        (f"{MINE}/deep/subset.txt", b"", "has no place in a submission"),
        ("submissions/../../x/subset.txt", b"", "leads out of its folder"),
        ("submissions/tiny/..\\..\\x/subset.txt", b"", "leads out of its folder"),
        ("submissions/tiny/Mine/subset.txt", b"", "has no place in a submission"),
        (f"{MINE}/submission.yaml", b"x" * 70_000, "has 70000 bytes, more than the 65536 it may have"),
        (f"{MINE}/submission.yaml", b"a: !!python/object:os.system {}", "lab/board/submissions/tiny/mine/submission"),
        (f"{MINE}/scorecard.json", None, "scorecard.json: is missing"),
    ],
)
def test_strange_files_are_not_fetched(
    held: Repository,
    board: HubRepository,
    mine: StoredSubmission,
    tmp_path: Path,
    patience: Patience,
    path: str,
    data: bytes | None,
    told: str,
) -> None:
    """What does not belong, is too large or is no submission is named, and nothing is written anywhere."""
    publish_board(board, [mine], TABLES, patience=patience)
    held.write("strange", {path: None if data is None else Blob(data)})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=told.replace(".", r"\.")):
        pull_submissions(board, tmp_path / "pulled", valid, patience=patience)
    assert sorted(tmp_path.rglob("*")) == before


def test_invalid_submission_is_not_fetched(
    board: HubRepository, mine: StoredSubmission, tmp_path: Path, patience: Patience
) -> None:
    """The check of a submission comes before it has a place in the folder."""
    publish_board(board, [mine], TABLES, patience=patience)

    def refuse(stored: StoredSubmission) -> None:
        raise InputError("is forged", source=str(stored.folder))

    with pytest.raises(InputError, match=r"^lab/board/submissions/tiny/mine: is forged"):
        pull_submissions(board, tmp_path / "pulled", refuse, patience=patience)
    assert not (tmp_path / "pulled").exists()


def test_differing_submission_here_is_kept(
    board: HubRepository, mine: StoredSubmission, tmp_path: Path, patience: Patience
) -> None:
    """Own work is replaced only when told, and then wholly; what the Hub lacks stays."""
    publish_board(board, [mine], TABLES, patience=patience)
    here = tmp_path / "here"
    submit(here, "mine", subset=OTHER_SUBSET)
    own = submit(here, "own", subset=OTHER_SUBSET)
    with pytest.raises(InputError, match=r"tiny/mine: differs.*--replace"):
        pull_submissions(board, here, valid, patience=patience)
    assert pull_submissions(board, here, valid, replace=True, patience=patience).replaced == 1
    assert [stored.subset for stored in read_submissions(here)] == [mine.subset, own.subset]


def test_earlier_revision_is_fetched(
    held: Repository, board: HubRepository, mine: StoredSubmission, tmp_path: Path, patience: Patience
) -> None:
    """A board of the past can be rebuilt from the commit that it was published at."""
    first = publish_board(board, [mine], TABLES, patience=patience).commit
    publish_board(board, [submit(tmp_path / "x", "later")], TABLES, prune=True, patience=patience)
    pull_submissions(board, tmp_path / "pulled", valid, revision=first, patience=patience)
    assert [stored.metadata.name for stored in read_submissions(tmp_path / "pulled")] == ["mine"]
    with pytest.raises(InputError, match="no such revision"):
        pull_submissions(board, tmp_path / "pulled", valid, revision="nope", patience=patience)


@pytest.mark.parametrize("kind", ["unavailable", "dropped", "lost"])
@pytest.mark.parametrize("request_number", range(6))
def test_fetching_survives_a_failure(
    hub: LoopbackHub,
    board: HubRepository,
    mine: StoredSubmission,
    tmp_path: Path,
    patience: Patience,
    kind: str,
    request_number: int,
) -> None:
    """A request that fails once leaves all files whole in the end, never an old or partial one."""
    publish_board(board, [mine], TABLES, patience=patience)
    hub.fault(kind, at=request_number)
    pull_submissions(board, tmp_path / "pulled", valid, patience=patience)
    (again,) = read_submissions(tmp_path / "pulled")
    assert again.results == mine.results


@pytest.mark.slow
def test_datasets_reads_the_table(hub: LoopbackHub, held: Repository, tmp_path: Path) -> None:
    """``datasets.load_dataset`` of the real library reads the published table by the card alone."""
    pytest.importorskip("datasets")
    pytest.importorskip("pyarrow")
    from dlth_bench.board.board import Board
    from dlth_bench.board.data_files import record_files, records
    from dlth_bench.board.hub.publish import dataset_card
    from dlth_bench.board.markdown import board_rows

    protocol = tiny_protocol()
    stored = [submit(tmp_path, "mine", policy="pd-top"), submit(tmp_path, "other", subset=OTHER_SUBSET)]
    table = records([Board(protocol, board_rows(stored, protocol))])
    files = {**record_files(table), "README.md": dataset_card("lab/board", {protocol.key: 2})}
    board = hub_repository("lab/board", option="--publish")
    publish_board(board, stored, files)
    code = "import datasets, json; print(json.dumps(datasets.load_dataset('lab/board')['train'].to_list()))"
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == table
