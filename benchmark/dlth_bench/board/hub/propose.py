"""Proposing a submission: a pull request of one commit on the dataset repository, opened at most once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from dlth_bench.board.hub.publish import submission_files
from dlth_bench.board.hub.repository import HubRepository, Patience, head_of, holds, persistently
from dlth_bench.board.submission_folder import VERIFICATION, StoredSubmission
from dlth_bench.util.errors import InputError


@dataclass(frozen=True)
class Proposed:
    """The outcome.

    Attributes:
        url: of the pull request, or of the repository if that holds the submission already.
        opened: whether this call opened it; False when it stood there before.
    """

    url: str
    opened: bool


def propose_submission(
    repository: HubRepository, stored: StoredSubmission, *, replace: bool = False, patience: Patience | None = None
) -> Proposed:
    """Open a pull request with a submission, or find the one that proposes the same files.

    Args:
        stored: checked.
        replace: whether it may take the place of another submission of its name.

    Raises:
        InputError: see ``persistently``; or the repository has another submission of this name.
    """
    from huggingface_hub import CommitOperationAdd

    # Who submits does not verify: that file is the maintainers' to write.
    files = {path: data for path, data in submission_files([stored]).items() if not path.endswith(f"/{VERIFICATION}")}
    title = _title(stored, files)
    sent = False

    def act() -> Proposed:
        nonlocal sent
        head = head_of(repository)
        if all(holds(head.files.get(path), data) for path, data in files.items()):
            return Proposed(repository.url, opened=False)
        if not replace and any(path in head.files for path in files):
            name = f"{stored.metadata.protocol_name}/{stored.metadata.name}"
            message = f"has another submission {name}; choose another --name, or propose to --replace it"
            raise InputError(f"{repository}: {message}")
        open_already = _open_with(repository, title, files)
        if open_already is not None:
            return Proposed(open_already, opened=sent)
        sent = True
        made = repository.api.create_commit(
            repository.id,
            [CommitOperationAdd(path, data) for path, data in sorted(files.items())],
            commit_message=title,
            repo_type=repository.kind,
            parent_commit=head.commit,
            create_pr=True,
        )
        return Proposed(made.pr_url or repository.url, opened=True)

    return persistently(act, repository, patience or Patience())


def _title(stored: StoredSubmission, files: Mapping[str, bytes]) -> str:
    """Of the pull request; the digest of the files tells it from one of the same name with other content."""
    digest = hashlib.sha256()
    for path, data in sorted(files.items()):
        digest.update(f"{path} {len(data)}\n".encode() + data)
    return f"Submission {stored.metadata.name} to {stored.metadata.protocol} ({digest.hexdigest()[:12]})"


def _open_with(repository: HubRepository, title: str, files: Mapping[str, bytes]) -> str | None:
    """The address of an open pull request with these files; anybody may use the title, so they are compared."""
    for found in repository.api.get_repo_discussions(
        repository.id, repo_type=repository.kind, discussion_type="pull_request", discussion_status="open"
    ):
        if found.title == title:
            proposed = head_of(repository, f"refs/pr/{found.num}").files
            if all(holds(proposed.get(path), data) for path, data in files.items()):
                return f"{repository.url}/discussions/{found.num}"
    return None
