"""Fetching the submissions of a dataset repository; they are strangers' files until every check has passed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlth_bench.board.hub.publish import SUBMISSIONS, is_of_submission
from dlth_bench.board.hub.repository import HubRepository, Patience, head_of, holds, persistently
from dlth_bench.board.submission_folder import (
    MAX_BYTES,
    METADATA,
    StoredSubmission,
    plain_file,
    read_submissions,
    real_folder,
)
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically
from dlth_bench.util.text import printable, quoted

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile


_SLUG = r"[a-z0-9][a-z0-9._-]{0,63}"
_PLACE = re.compile(rf"{SUBMISSIONS}/{_SLUG}/{_SLUG}/({'|'.join(map(re.escape, MAX_BYTES))})")
_MAX_TOTAL_BYTES = 1 << 31
_MAX_FILES = 100_000


@dataclass(frozen=True)
class Pulled:
    """The outcome.

    Attributes:
        commit: hash of the commit whose submissions these are.
        new, replaced, same: how many of the submissions the folder lacked, had otherwise, and had.
    """

    commit: str
    new: int = 0
    replaced: int = 0
    same: int = 0


def pull_submissions(
    repository: HubRepository,
    root: Path,
    check: Callable[[StoredSubmission], None],
    *,
    revision: str | None = None,
    replace: bool = False,
    patience: Patience | None = None,
) -> Pulled:
    """Bring the submissions of a repository into a folder; others in it stay.

    Args:
        root: the folder, laid out as ``read_submissions`` reads it.
        check: raises InputError for a submission that is not valid.
        revision: branch, tag or commit; the main branch by default.
        replace: whether submissions of the folder that differ give way.

    Raises:
        InputError: see ``persistently``; a path, size or submission is not as it must be, or one of the folder differs.
            The folder is as it was then.
    """
    patience = patience or Patience()
    head = persistently(lambda: head_of(repository, revision), repository, patience)
    wanted = _admitted(repository, head.files)
    if head.commit is None or not wanted:
        raise InputError(f"{repository}: holds no submissions")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".dlth-bench-", dir=root.parent) as name:
        stage = Path(name)
        commit = head.commit
        persistently(lambda: _download(repository, commit, wanted, stage), repository, patience)
        try:
            found = read_submissions(stage / SUBMISSIONS)
            for stored in found:
                check(stored)
        except InputError as error:  # names a file that will be gone
            source = (error.source or "").replace(str(stage), repository.id, 1)
            raise InputError(error.message, source=source or repository.id, line=error.line) from None
        return _place(found, root, commit, replace)


def _admitted(repository: HubRepository, files: Mapping[str, RepoFile]) -> dict[str, RepoFile]:
    """The files of submissions, all at their place and none too large."""
    outside = next((path for path in files if {"", ".", ".."} & set(re.split(r"[/\\]", path))), None)
    if outside is not None:
        raise InputError(f"{repository}: {quoted(outside, 120)} leads out of its folder")
    found = {path: entry for path, entry in files.items() if is_of_submission(path)}
    for path, entry in found.items():
        match = _PLACE.fullmatch(path)
        if match is None:
            raise InputError(f"{repository}: {quoted(path, 120)} has no place in a submission")
        if entry.size > MAX_BYTES[match.group(1)]:
            limit = MAX_BYTES[match.group(1)]
            raise InputError(f"{repository}: {path} has {entry.size} bytes, more than the {limit} it may have")
    total = sum(entry.size for entry in found.values())
    if total > _MAX_TOTAL_BYTES or len(found) > _MAX_FILES:
        raise InputError(f"{repository}: its submissions are {len(found)} files of {total} bytes, more than is taken")
    return found


def _download(repository: HubRepository, commit: str, wanted: Mapping[str, RepoFile], stage: Path) -> None:
    patterns = [f"{SUBMISSIONS}/*/*/{name}" for name in MAX_BYTES]
    repository.api.snapshot_download(
        repository.id, repo_type=repository.kind, revision=commit, allow_patterns=patterns, local_dir=stage
    )
    # When the Hub falls silent, the client may return what an earlier try left: only the hashes show that it is whole.
    for path, entry in wanted.items():
        local = stage / path
        if not local.is_file() or not holds(entry, plain_file(local, entry.size).read_bytes()):
            raise ConnectionError(f"{path} did not arrive whole")


def _place(found: list[StoredSubmission], root: Path, commit: str, replace: bool) -> Pulled:
    """Copy what the folder lacks; nothing is written when one differs and may not be replaced."""
    new, differing, same = [], [], 0
    for stored in found:
        target = root / stored.metadata.protocol_name / stored.metadata.name
        for existing in (root, target.parent, target):
            if existing.is_symlink() or existing.exists():
                real_folder(existing)
        if not target.exists():
            new.append((stored, target))
        elif _contents(target) != _contents(stored.folder):
            differing.append((stored, target))
        else:
            same += 1
    if differing and not replace:
        message = "differs from the submission of this name on the Hub; pull into another --submissions, or --replace"
        raise InputError(message, source=printable(str(differing[0][1])))
    for stored, target in (*new, *differing):
        # First away and last back, so that a folder with metadata has everything else, of the same submission.
        (target / METADATA).unlink(missing_ok=True)
        contents = _contents(stored.folder)
        for name in MAX_BYTES.keys() - contents.keys():
            (target / name).unlink(missing_ok=True)
        for name, data in sorted(contents.items(), key=lambda item: item[0] == METADATA):
            write_atomically(target / name, data)
    return Pulled(commit, len(new), len(differing), same)


def _contents(folder: Path) -> dict[str, bytes]:
    names = [name for name in MAX_BYTES if (folder / name).is_symlink() or (folder / name).exists()]
    return {name: plain_file(folder / name, MAX_BYTES[name]).read_bytes() for name in names}
