"""A repository on the Hub at one commit, commits to it, and when a failed request is tried again."""

from __future__ import annotations

import datetime
import hashlib
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile


RepositoryKind = Literal["dataset", "space"]

_INSTALL = "the Hub needs huggingface_hub 1.4 or newer: pip install 'dlth-bench[datasets]'"


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


Result = TypeVar("Result")

_CONFLICT = 412
"""What the Hub answers when ``parent_commit`` is no longer the head."""

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, _CONFLICT})
_LONGEST_BACKOFF = 16.0


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Patience:
    """How long to keep trying.

    Attributes:
        tries: of a whole operation; the client repeats requests that only read by itself, too.
        timeout: seconds that the Hub may be silent within a request.
        longest_wait: seconds; if the Hub asks for more, the user is told instead.
        tell: takes a line about each wait.
    """

    tries: int = 8
    timeout: float = 120.0
    longest_wait: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = _silent


def persistently(act: Callable[[], Result], repository: HubRepository, patience: Patience) -> Result:
    """What ``act`` returns, after repeating it while it fails for a reason that may pass.

    ``act`` must be safe to repeat, also when an earlier call of it took effect and only the answer was lost.

    Raises:
        InputError: it failed for good; one line without the user's token.
    """
    from huggingface_hub import get_session
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the HTTP library that it uses

    for attempt in range(1, patience.tries + 1):
        get_session().timeout = patience.timeout  # the client's own is to wait for ever
        try:
            return act()
        except InputError:
            raise
        except (HTTPError, OSError, ValueError, RuntimeError) as error:
            cause = _cause(error)
            if isinstance(cause, OSError) and cause.filename is not None:  # a file here, not the Hub
                raise
            wait = _wait(cause, attempt)
            if wait is None or attempt == patience.tries or wait > patience.longest_wait:
                raise _explained(cause, repository, wait) from None
            patience.tell(f"{repository}: {_short(cause, repository)}; trying again in {wait:.0f} s")
            patience.sleep(wait)
    raise InputError("no try was allowed")  # tries < 1


def _cause(error: BaseException) -> BaseException:
    """The request's own error, below those that the client wraps around it."""
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

    while error.__cause__ is not None and (
        isinstance(error, LocalEntryNotFoundError) or not isinstance(error, HTTPError)
    ):
        error = error.__cause__
    return error


def _response(error: BaseException) -> object | None:
    return getattr(error, "response", None)


def _status(error: BaseException) -> int | None:
    status = getattr(_response(error), "status_code", None)
    return status if isinstance(status, int) else None


def _wait(error: BaseException, attempt: int) -> float | None:
    """Seconds until the next try; None when another try cannot help."""
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

    status = _status(error)
    if status is None:
        lost = isinstance(error, (HTTPError, ConnectionError, TimeoutError, json.JSONDecodeError))
        if not lost or isinstance(error, OfflineModeIsEnabled):
            return None
    elif status not in _TRANSIENT:
        return None
    backoff = min(2.0 ** (attempt - 1), _LONGEST_BACKOFF)
    if status == _CONFLICT:  # writers that collided must not do so again in step
        return random.uniform(0, backoff)
    asked = _asked_wait(getattr(_response(error), "headers", {}))
    return backoff if asked is None else asked


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds by ``Retry-After`` (RFC 9110, a number or a date), or the reset of an exhausted ``RateLimit``."""
    given = headers.get("Retry-After", "").strip()
    if given.isdigit():
        return float(given)
    try:
        until = parsedate_to_datetime(given)
        return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError):
        exhausted = re.search(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d+)", headers.get("RateLimit", ""))
        return float(exhausted.group(1)) if exhausted else None


def _short(error: BaseException, repository: HubRepository) -> str:
    """What happened, in a few words, without the token."""
    from huggingface_hub import get_token

    status = _status(error)
    said = getattr(error, "server_message", None) or str(error).strip().partition("\n")[0] or type(error).__name__
    if status == _CONFLICT:
        text = "somebody else changed it meanwhile"
    elif status is not None:
        text = f"the Hub answers {status}" + (f" ({said})" if getattr(error, "server_message", None) else "")
    else:
        text = f"no answer ({said})"
    for token in (repository.api.token, get_token()):
        if isinstance(token, str) and token:
            text = text.replace(token, "***")
    return printable(text)


def _explained(error: BaseException, repository: HubRepository, wait: float | None) -> InputError:
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    short, where = _short(error, repository), str(repository)
    if isinstance(error, OfflineModeIsEnabled):
        return InputError(f"{where}: cannot be reached, since HF_HUB_OFFLINE forbids it")
    if isinstance(error, RepositoryNotFoundError):
        return InputError(f"{where}: is not on the Hub, or is hidden from you; --create makes it when publishing")
    if isinstance(error, RevisionNotFoundError):
        return InputError(f"{where}: has no such revision")
    if _status(error) == 401:
        return InputError(f"{where}: the Hub does not accept your login; renew it with: hf auth login")
    if _status(error) == 403:
        return InputError(f"{where}: your token lacks the permission; {short}; use one that may write there")
    if wait is not None:
        rest = f"; it asks to wait {wait:.0f} s" if wait > _LONGEST_BACKOFF else ""
        return InputError(f"{where}: {short}{rest}; nothing is half done, so repeat the command later")
    return InputError(f"{where}: {short}")


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
