"""One commit that makes a repository hold given files: none when it does already, never two.

The Hub applies a commit whole or not at all, and only on the parent that it names. A lost answer says nothing, so after
each failure the head is read again: what it holds by then is not committed a second time. Should a commit whose answer
was lost be applied later still, the second one has a stale parent and is refused.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dlth_bench.leaderboard.hub.failures import Patience, persistently
from dlth_bench.leaderboard.hub.repository import Head, HubRepository, head_of, holds
from dlth_bench.spec.errors import InputError

MANIFEST = ".dlth-bench.json"
"""Lists the files that the last publication wrote, so that the next one deletes those it lacks, and no others."""

_MAX_MANIFEST_BYTES = 1 << 22


@dataclass(frozen=True)
class Committed:
    """The outcome.

    Attributes:
        commit: hash of the head that holds the files.
        changed: False when it held them before.
    """

    commit: str
    changed: bool


def commit_files(
    repository: HubRepository,
    files: Mapping[str, bytes],
    message: str,
    *,
    check: Callable[[Head], Iterable[str]] = lambda head: (),
    patience: Patience | None = None,
) -> Committed:
    """Make the main branch hold ``files``; those of an earlier publication that are not among them are deleted.

    Args:
        files: content by path.
        message: of the commit.
        check: sees the head before each try; it may raise InputError, and returns further paths to delete.

    Raises:
        InputError: see ``persistently``; the repository is as it was, or somebody else's.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    wanted = {**files, MANIFEST: _manifest(files)}
    sent = False

    def act() -> Committed:
        nonlocal sent
        head = head_of(repository)
        stale = {*check(head), *_published_before(repository, head, wanted)}
        new = {path: data for path, data in wanted.items() if not holds(head.files.get(path), data)}
        gone = sorted(path for path in stale if path in head.files and path not in wanted)
        if head.commit is not None and not new and not gone:
            return Committed(head.commit, changed=sent)
        operations = [CommitOperationAdd(path, data) for path, data in sorted(new.items())]
        deletions = [CommitOperationDelete(path, is_folder=False) for path in gone]
        sent = True
        made = repository.api.create_commit(
            repository.id,
            [*operations, *deletions],
            commit_message=message,
            repo_type=repository.kind,
            parent_commit=head.commit,
        )
        return Committed(made.oid, changed=True)

    return persistently(act, repository, patience or Patience())


def create_repository(repository: HubRepository, patience: Patience | None = None) -> None:
    """Make the repository unless there is one.

    Raises:
        InputError: see ``persistently``.
    """

    def act() -> None:
        sdk = "static" if repository.kind == "space" else None
        repository.api.create_repo(repository.id, repo_type=repository.kind, space_sdk=sdk, exist_ok=True)

    persistently(act, repository, patience or Patience())


def _manifest(files: Mapping[str, bytes]) -> bytes:
    return (json.dumps({"files": sorted(files)}, indent=1) + "\n").encode()


def _published_before(repository: HubRepository, head: Head, wanted: Mapping[str, bytes]) -> set[str]:
    """The paths of the last publication, as far as they can differ from those of this one."""
    entry = head.files.get(MANIFEST)
    if entry is None or holds(entry, wanted[MANIFEST]):
        return set()
    if entry.size > _MAX_MANIFEST_BYTES:
        raise InputError(f"{repository}: {MANIFEST} has {entry.size} bytes; delete it there and publish again")
    with tempfile.TemporaryDirectory(prefix="dlth-bench-") as folder:
        path = repository.api.hf_hub_download(
            repository.id, MANIFEST, repo_type=repository.kind, revision=head.commit, local_dir=folder
        )
        text = Path(path).read_bytes()
    try:
        listed = json.loads(text)["files"]
        return {path for path in listed if isinstance(path, str)}
    except (ValueError, TypeError, KeyError, RecursionError):
        message = f"{MANIFEST} is not what dlth-bench wrote; delete it there and publish again"
        raise InputError(f"{repository}: {message}") from None
