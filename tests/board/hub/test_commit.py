"""Publishing is all or nothing and at most once, whatever happens to its requests."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi
from loopback_hub import Fault, LoopbackHub
from loopback_hub.faults import KINDS
from loopback_hub.repositories import Blob, Repository

from dlth_bench.board.hub.repository import (
    MANIFEST,
    Committed,
    Patience,
    commit_files,
    create_repository,
    hub_repository,
)
from dlth_bench.util.errors import InputError

pytestmark = pytest.mark.usefixtures("writer")

NAME = "lab/board"
OLD = {
    "README.md": b"---\nlicense: mit\n---\nold\n",
    "board.json": b"{}",
    "gone.txt": b"x",
    "board.parquet": b"PAR1old",
}
NEW = {"README.md": b"---\nlicense: mit\n---\nnew\n", "board.json": b"[]", "board.parquet": b"PAR1new" * 99}
_REQUESTS = ("info", "tree", "manifest HEAD", "manifest GET", "card", "preupload", "batch", "PUT", "verify", "commit")


@pytest.fixture(autouse=True)
def repository(hub: LoopbackHub) -> Repository:
    """The repository to publish to, as the Hub makes it."""
    return hub.repository(NAME)


def publish(files: dict[str, bytes], patience: Patience) -> Committed:
    return commit_files(hub_repository(NAME, option="--publish"), files, "Board", patience=patience)


def held(hub: LoopbackHub) -> dict[str, bytes]:
    """What the main branch holds, without what the Hub and the tool keep for themselves."""
    files = hub.repository(NAME).head.files
    return {path: blob.data for path, blob in files.items() if path not in {".gitattributes", MANIFEST}}


def test_files_are_added_changed_and_deleted_in_one_commit(
    hub: LoopbackHub, repository: Repository, patience: Patience
) -> None:
    """One commit takes the repository from one board to the next; files of others stay."""
    repository.write("by hand", {"notes.txt": Blob(b"mine")})
    publish(OLD, patience)
    before = len(repository.log)
    assert publish(NEW, patience).changed
    assert len(repository.log) == before + 1
    assert held(hub) == {**NEW, "notes.txt": b"mine"}
    assert repository.head.files["board.parquet"].lfs


def test_publishing_twice_changes_nothing(hub: LoopbackHub, patience: Patience) -> None:
    """The second time only reads, also when the tree comes in several pages."""
    first = publish(NEW, patience)
    hub.api.page, hub.requests[:] = 2, []
    assert publish(NEW, patience) == Committed(first.commit, changed=False)
    assert all(request.startswith("GET") for request in hub.requests)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("request_number", range(len(_REQUESTS)), ids=_REQUESTS)
def test_any_request_may_fail_once(
    hub: LoopbackHub, repository: Repository, patience: Patience, kind: str, request_number: int, waits: list[float]
) -> None:
    """A fault at any request of a publication, applied or not, leaves one commit with the right content."""
    publish(OLD, patience)
    before = len(repository.log)
    fault = hub.fault(kind, at=request_number)
    publish(NEW, patience)
    assert fault.reached.is_set()
    assert held(hub) == NEW
    assert len(repository.log) == before + 1
    if _REQUESTS[request_number] == "commit":
        assert waits == [7.0 if kind == "throttled" else 1.0]


def test_the_requests_are_those_that_fail(hub: LoopbackHub, patience: Patience) -> None:
    """The test above covers every request that the real client makes."""
    publish(OLD, patience)
    hub.requests.clear()
    publish(NEW, patience)
    assert len(hub.requests) == len(_REQUESTS)
    assert hub.requests[-1] == f"POST /api/datasets/{NAME}/commit/main"


@pytest.mark.parametrize("kind", ["unavailable", "dropped", "throttled"])
def test_lasting_failure_leaves_the_old_state(hub: LoopbackHub, kind: str, waits: list[float]) -> None:
    """When the Hub takes no commit, there is one line, growing waits, and the board as it was."""
    patience = Patience(sleep=waits.append, tries=4)
    publish(OLD, patience)
    hub.fault(kind, match="/commit/", times=99)
    with pytest.raises(InputError, match="repeat the command later"):
        publish(NEW, patience)
    assert held(hub) == OLD
    assert waits == ([7.0] * 3 if kind == "throttled" else [1.0, 2.0, 4.0])


def test_a_long_wait_is_the_users_choice(hub: LoopbackHub, patience: Patience, waits: list[float]) -> None:
    """An hour that the Hub asks for is told, not sat out."""
    hub.fault("throttled", match="/commit/", retry_after="3600", times=99)
    with pytest.raises(InputError, match=r"answers 429.*asks to wait 3600 s"):
        publish(NEW, patience)
    assert waits == []


def test_concurrent_publication_is_noticed(hub: LoopbackHub, repository: Repository, patience: Patience) -> None:
    """Somebody else's commit between reading and writing is neither lost nor overwritten unseen."""
    hub.fault("meanwhile", match="/commit/", act=lambda: repository.write("other", {"other.txt": Blob(b"other")}))
    publish(NEW, patience)
    assert held(hub) == {**NEW, "other.txt": b"other"}
    assert [commit.message for commit in repository.log] == ["Board", "other", "initial commit"]


def test_two_publishers_of_the_same_board(hub: LoopbackHub, repository: Repository, patience: Patience) -> None:
    """The one who comes second finds the board there and adds no commit."""
    hub.fault("meanwhile", match="/commit/", act=lambda: publish(NEW, patience))
    publish(NEW, patience)
    assert len(repository.log) == 2


def test_commit_that_is_applied_late(hub: LoopbackHub, repository: Repository, patience: Patience) -> None:
    """A commit that times out, and lands just before the next try does, is not made twice."""

    def land() -> None:
        files = {path: Blob(data, path.endswith(".parquet")) for path, data in NEW.items()}
        repository.write("Board", {**files, MANIFEST: Blob(b"")})

    hub.fault("unavailable", match="/commit/")
    hub.fault("meanwhile", match="/commit/", at=1, act=land)
    publish(NEW, patience)
    assert held(hub) == NEW


def test_silent_hub_times_out(hub: LoopbackHub, waits: list[float]) -> None:
    """A Hub that takes a request and never answers does not hold the command for ever."""
    hub.fault("hang", match="/commit/")
    publish(NEW, Patience(timeout=0.5, tries=99, sleep=waits.append))
    assert waits[0] == 1.0  # on a slow machine other requests may time out as well
    assert held(hub) == NEW


def test_foreign_manifest_deletes_nothing_else(hub: LoopbackHub, repository: Repository, patience: Patience) -> None:
    """A list of files that somebody edited is an error, or names files that are there; never a path elsewhere."""
    repository.write("evil", {MANIFEST: Blob(b'{"files": ["../../etc/passwd", 3, "none"]}')})
    publish(NEW, patience)
    assert ".gitattributes" in repository.head.files
    repository.write("evil", {MANIFEST: Blob(b"[" * 100_000)})
    with pytest.raises(InputError, match="is not what dlth-bench wrote"):
        publish(NEW, patience)


def test_repository_is_made_once(hub: LoopbackHub, patience: Patience) -> None:
    """Creating is safe to repeat, also when the answer to the first time was lost; a Space is a static one."""
    space = hub_repository(NAME, "space", option="--space")
    hub.fault("lost", match="repos/create")
    create_repository(space, patience)
    create_repository(space, patience)
    assert list(hub.api.repositories) == [("datasets", NAME), ("spaces", NAME)]


@pytest.mark.parametrize(
    ("login", "told"),
    [
        ("hf_reader", "lacks the permission.*You don't have the rights"),
        ("hf_revoked", "does not accept your login.*hf auth login"),
    ],
)
def test_what_a_login_may_not(
    hub: LoopbackHub, patience: Patience, monkeypatch: pytest.MonkeyPatch, login: str, told: str
) -> None:
    """A token without the right is an error that says what to do, at once, and does not show the token."""
    monkeypatch.setenv("HF_TOKEN", login)
    with pytest.raises(InputError, match=told) as caught:
        publish(NEW, patience)
    assert login not in str(caught.value)


def test_missing_repository_and_offline(
    hub: LoopbackHub, patience: Patience, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """Neither is tried again."""
    hub.api.repositories.clear()
    with pytest.raises(InputError, match=r"dataset lab/board: is not on the Hub.*--create"):
        publish(NEW, patience)
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE forbids"):
        publish(NEW, patience)
    assert waits == []


def test_no_server_at_all(patience: Patience, waits: list[float]) -> None:
    """A Hub that cannot be reached is one line after the tries, without the token."""
    api = HfApi(endpoint="http://127.0.0.1:9", token="hf_secret")
    with pytest.raises(InputError, match="no answer") as caught:
        commit_files(hub_repository(NAME, option="--publish", api=api), NEW, "Board", patience=patience)
    assert len(waits) == patience.tries - 1
    assert "hf_secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["board", "a/b/c", "../x", "a b/c", "a/b\x1b[31m", ""])
def test_name_of_no_repository(name: str) -> None:
    """A name is checked before anything is asked of the Hub."""
    with pytest.raises(InputError, match=r"--publish: .* is no name of a repository") as caught:
        hub_repository(name, option="--publish")
    assert str(caught.value).isprintable()


def test_faults_strike_as_told() -> None:
    """The tests above stand on this."""
    fault = Fault("dropped", at=1, match="POST", times=2)
    assert [fault.strikes(name) for name in ("POST", "GET", "POST", "POST", "POST")] == [
        False,
        False,
        True,
        True,
        False,
    ]
