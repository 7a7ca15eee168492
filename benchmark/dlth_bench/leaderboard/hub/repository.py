"""A repository on the Hub as it stands at one commit: its files, known by the hashes of their contents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

RepositoryKind = Literal["dataset", "space"]

_INSTALL = "the Hub needs huggingface_hub 1.0 or newer: pip install 'dlth-bench[datasets]'"


@dataclass(frozen=True)
class HubRepository:
    """A dataset repository or a Space, and the client that speaks to it.

    Attributes:
        id: ``ORG/NAME``.
    """

    api: HfApi
    id: str
    kind: RepositoryKind = "dataset"

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def url(self) -> str:
        """Its page."""
        return f"{self.api.endpoint}/{self.kind}s/{self.id}"


@dataclass(frozen=True)
class Head:
    """What a branch or commit holds.

    Attributes:
        commit: its hash; None for a repository without any commit.
        files: by path.
    """

    commit: str | None
    files: Mapping[str, RepoFile]


def hub_repository(
    name: str, kind: RepositoryKind = "dataset", *, option: str, writes: bool = False, api: HfApi | None = None
) -> HubRepository:
    """The repository of a name, reached with the login of huggingface_hub; no request is made.

    Args:
        option: of the command line, that gave the name.
        writes: whether a login is needed.

    Raises:
        InputError: the name is not ``ORG/NAME``, the client is not installed, or there is no login.
    """
    try:
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
    except ImportError:
        raise InputError(_INSTALL) from None
    try:
        validate_repo_id(name)
    except HFValidationError:
        name = name.replace("/", " ")
    if name.count("/") != 1:
        raise InputError(f"{option}: {quoted(name)} is no name of a repository, such as my-lab/board")
    api = api or HfApi()
    if writes and not (api.token or get_token()):
        raise InputError(f"{option}: the Hub takes this from known users only; log in with: hf auth login")
    return HubRepository(api, name, kind)


def head_of(repository: HubRepository, revision: str | None = None) -> Head:
    """The files of a revision, all of one commit; of the main branch by default.

    Raises:
        OSError, ValueError: as the client raises them; see ``failures``.
    """
    from huggingface_hub.hf_api import RepoFile

    api = repository.api
    commit = api.repo_info(repository.id, repo_type=repository.kind, revision=revision).sha
    if commit is None:
        return Head(None, {})
    tree = api.list_repo_tree(repository.id, repo_type=repository.kind, revision=commit, recursive=True)
    return Head(commit, {entry.path: entry for entry in tree if isinstance(entry, RepoFile)})


def holds(file: RepoFile | None, data: bytes) -> bool:
    """Whether a file of the Hub has this content, by its hash."""
    if file is None:
        return False
    if file.lfs is not None:
        return file.lfs.sha256 == hashlib.sha256(data).hexdigest()
    return file.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def shown_paths(paths: list[str], limit: int = 3) -> str:
    """``a, b and 3 more``."""
    named = ", ".join(printable(path, 80) for path in paths[:limit])
    return named if len(paths) <= limit else f"{named} and {len(paths) - limit} more"
