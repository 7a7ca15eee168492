"""Repositories in memory: commits, branches, pull requests, files by content hash."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """An answer other than success: a status, a text and the Hub's error code."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass(frozen=True)
class Blob:
    """A file's content; ``lfs`` says how it is stored."""

    data: bytes
    lfs: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def oid(self) -> str:
        """Git's hash of what the tree holds: the content, or the pointer to it."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n"
        held = pointer.encode() if self.lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()

    def entry(self, path: str) -> dict[str, Any]:
        """As the tree API lists it."""
        told: dict[str, Any] = {"type": "file", "path": path, "size": len(self.data), "oid": self.oid}
        if self.lfs:
            told["lfs"] = {"oid": self.sha256, "size": len(self.data), "pointerSize": 130}
        return told


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    message: str
    files: Mapping[str, Blob]


@dataclass
class PullRequest:
    number: int
    title: str
    author: str
    status: str = "open"


@dataclass
class Repository:
    """One repository; ``lock`` makes a commit whole or nothing."""

    kind: str
    id: str
    commits: list[Commit] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)
    pull_requests: list[PullRequest] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def at(self, revision: str) -> Commit:
        oid = self.refs.get(revision, revision)
        found = next((commit for commit in self.commits if commit.oid == oid), None)
        if found is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found

    @property
    def head(self) -> Commit:
        return self.at("main")

    @property
    def log(self) -> list[Commit]:
        """The commits of the main branch, the newest first."""
        found: list[Commit] = []
        oid = self.refs.get("main")
        while oid is not None:
            found.append(self.at(oid))
            oid = found[-1].parent
        return found

    def write(
        self,
        message: str,
        changes: Mapping[str, Blob | None],
        revision: str = "main",
        parent: str | None = None,
        proposed_by: str | None = None,
    ) -> tuple[Commit, PullRequest | None]:
        """Commit changes (None deletes) on a branch, or on a new pull request."""
        with self.lock:
            base = self.at(revision)
            if parent is not None and proposed_by is None and not base.oid.startswith(parent):
                raise Refused(412, "A commit has happened since. Please refresh and try again.")
            if parent is not None and proposed_by is not None:
                base = self.at(parent)
            gone = [path for path, blob in changes.items() if blob is None]
            if any(path not in base.files for path in gone):
                raise Refused(404, "A file with this name doesn't exist", "EntryNotFound")
            files = {path: blob for path, blob in {**base.files, **changes}.items() if blob is not None}
            request = None
            if proposed_by is not None:
                request = PullRequest(len(self.pull_requests) + 1, message, proposed_by)
                self.pull_requests.append(request)
                revision = f"refs/pr/{request.number}"
            return self._append(message, files, base.oid, revision), request

    def _append(self, message: str, files: Mapping[str, Blob], parent: str | None, revision: str) -> Commit:
        told = "".join(f"{path} {blob.oid}\n" for path, blob in sorted(files.items()))
        oid = hashlib.sha1(f"{len(self.commits)} {parent} {message}\n{told}".encode()).hexdigest()
        commit = Commit(oid, parent, message, files)
        self.commits.append(commit)
        self.refs[revision] = oid
        return commit

    @classmethod
    def empty(cls, kind: str, name: str) -> Repository:
        """As the Hub makes one: with the attributes that send Parquet to LFS."""
        made = cls(kind, name)
        attributes = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n*.npz filter=lfs diff=lfs merge=lfs -text\n"
        made._append("initial commit", {".gitattributes": Blob(attributes)}, None, "main")
        return made
