"""Datasets on the Hugging Face Hub: which files at which commit, what is there already, and who may have them."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable

DATA_VARIABLE = "DLTH_BENCH_DATA"
"""Environment variable with the folder that holds one folder a dataset."""

CACHE_VARIABLE = "DLTH_BENCH_CACHE"
"""Environment variable with the folder for what can be made again from the datasets."""


def dataset_folder(name: str) -> Path | None:
    """The dataset's folder: the one that `located` set, else the one called ``name`` in ``DLTH_BENCH_DATA``.

    None when neither is there.
    """
    own = os.environ.get(_own_variable(name))
    if own:
        return Path(own)
    root = os.environ.get(DATA_VARIABLE)
    folder = Path(root) / name if root else None
    return folder if folder is not None and folder.is_dir() else None


@contextmanager
def located(name: str, folder: Path | None) -> Iterator[None]:
    """Inside the block, and in processes started there, a dataset lies in ``folder``; None changes nothing.

    Raises:
        InputError: there is no such folder.
    """
    if folder is None:
        yield
        return
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "no such folder"
        raise InputError(problem, source=folder)
    variable = _own_variable(name)
    before = os.environ.get(variable)
    os.environ[variable] = str(folder.resolve())
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def cache_folder() -> Path:
    """The folder for packed images: ``DLTH_BENCH_CACHE``, else ``dlth-bench`` in the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dlth-bench"


def _own_variable(name: str) -> str:
    return f"{DATA_VARIABLE}_{name.upper()}"


INSTALL = "pip install 'dlth-bench[datasets]'"

_ELSEWHERE = f"or name a folder that has them by --data-dir or {DATA_VARIABLE}"


@dataclass(frozen=True)
class HubFiles:
    """The files of a dataset at one commit of its repository, pinned so that it cannot change under a result.

    Attributes:
        name: of the dataset here.
        repository: ``ORG/NAME``.
        patterns: of the files that are needed, as shells have them.
        size_bytes: of these files together, about.
        gated: whether its owners give access to those who accept their terms.
    """

    name: str
    repository: str
    revision: str
    patterns: tuple[str, ...]
    size_bytes: float
    gated: bool = False

    @property
    def url(self) -> str:
        return f"https://huggingface.co/datasets/{self.repository}"

    def folder(self) -> Path:
        """The files in the Hub's local cache; those that are not there are downloaded.

        Raises:
            InputError: no huggingface_hub, no token, no access, no connection, or no space.
        """
        return self._snapshot(local_only=False)

    def cached(self) -> Path | None:
        """The same without the network; None when the cache lacks a kind of file of that commit."""
        try:
            from huggingface_hub.errors import LocalEntryNotFoundError
        except ImportError:
            return None
        try:
            folder = self._snapshot(local_only=True)
        except LocalEntryNotFoundError:
            return None
        names = (PurePosixPath(pattern).name for pattern in self.patterns)
        return folder if all(next(folder.rglob(name), None) for name in names) else None

    def _snapshot(self, *, local_only: bool) -> Path:
        try:
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is of the HTTP library below it
                HfHubHTTPError,
                HTTPError,
                LocalEntryNotFoundError,
            )
        except ImportError:
            raise self.no_client() from None
        try:
            with quiet_hub():
                return Path(
                    snapshot_download(
                        self.repository,
                        repo_type="dataset",
                        revision=self.revision,
                        allow_patterns=list(self.patterns),
                        local_files_only=local_only,
                    )
                )
        except (HfHubHTTPError, HTTPError, OSError, ValueError) as error:
            if local_only and isinstance(error, LocalEntryNotFoundError):
                raise
            raise self.refusal(error) from None

    def no_client(self) -> InputError:
        """What to tell where huggingface_hub is not installed."""
        return InputError(
            f"{self.name} is not on this machine, and the Hub needs huggingface_hub: {INSTALL}, {_ELSEWHERE}"
        )

    def refusal(self, error: Exception) -> InputError:
        """What to tell a user to whom the Hub gave nothing."""
        from huggingface_hub import get_token
        from huggingface_hub.errors import GatedRepoError

        said = printable(str(error).strip().partition("\n")[0])
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            needed = f"{self.size_bytes / 1e9:,.0f} GB" if self.size_bytes >= 1e9 else "some room"
            advice = f"no space is left on the disk of the Hub's cache: give it {needed}, or another place by HF_HOME"
        elif self.gated and get_token() is None:
            advice = f"accept its terms there and log in by hf auth login (the Hub says: {said})"
        elif isinstance(error, GatedRepoError):
            advice = "your token has no access: accept its terms there"
        else:
            advice = f"the Hub says: {said}; try again"
        return InputError(f"{self.name} is not on this machine but at {self.url}: {advice}, {_ELSEWHERE}")


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Inside the block, the Hub's client does not print what it tries again: the one line that follows says it all."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
