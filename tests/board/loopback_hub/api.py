"""The Hub's HTTP API over repositories in memory: each route is one method that returns JSON."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from loopback_hub.repositories import Blob, Refused, Repository

_LFS = re.compile(r"\.(parquet|npz)$")
_REPO = r"(?P<kind>models|datasets|spaces)/(?P<id>[^/]+/[^/]+)"
_MODE_LIMIT = 10_000_000


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: bytes
    user: str | None
    role: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    """The state of the Hub.

    Attributes:
        url: where it is served; upload addresses are made from it.
        page: most entries that a tree page holds.
    """

    url: str = ""
    page: int = 1000
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    lfs: dict[str, bytes] = field(default_factory=dict)

    def answer(self, request: Request) -> tuple[Any, dict[str, str]]:
        """JSON and headers.

        Raises:
            Refused: any other status than 200.
        """
        for method, pattern, route in self._routes():
            match = re.fullmatch(pattern, request.path)
            if match is not None and request.method == method:
                parts = {name: unquote(text) for name, text in match.groupdict(default="").items()}
                if "kind" not in parts:
                    return route(request, parts), {}
                repository = self._repository(parts["kind"], parts["id"], request)
                if parts.get("what") == "tree":
                    return self._tree(request, parts, repository)
                return route(request, parts, repository), {}
        raise Refused(404, f"no route for {request.method} {request.path}")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        api = f"/api/{_REPO}"
        return [
            ("GET", "/api/whoami-v2", self._whoami),
            ("POST", "/api/repos/create", self._create),
            ("POST", "/api/validate-yaml", lambda *_: {"warnings": [], "errors": []}),
            ("GET", f"{api}(/revision/(?P<rev>[^/]+))?", self._info),
            ("GET", f"{api}/refs", self._refs),
            ("GET", f"{api}/(?P<what>tree)/(?P<rev>[^/]+)(/(?P<path>.+))?", self._info),
            ("POST", f"{api}/paths-info/(?P<rev>[^/]+)", self._paths_info),
            ("POST", f"{api}/preupload/(?P<rev>[^/]+)", self._preupload),
            ("POST", f"{api}/commit/(?P<rev>[^/]+)", self._commit),
            ("GET", f"{api}/discussions", self._discussions),
            ("POST", f"{api}/discussions/(?P<number>[0-9]+)/merge", self._merge),
            ("POST", rf"/{_REPO}\.git/info/lfs/objects/batch", self._batch),
            ("PUT", "/lfs/(?P<sha>[0-9a-f]{64})", self._upload),
            ("POST", "/lfs/(?P<sha>[0-9a-f]{64})/verify", lambda *_: {}),
        ]

    def _repository(self, kind: str, name: str, request: Request) -> Repository:
        found = self.repositories.get((kind, name))
        if found is None:
            if request.user is None:
                raise Refused(401, "Invalid username or password.")
            raise Refused(404, "Repository not found", "RepoNotFound")
        return found

    def _require_write(self, request: Request) -> None:
        if request.role != "write":
            raise Refused(403, "You don't have the rights to create a commit on this repository")

    def _whoami(self, request: Request, _: dict[str, str]) -> Any:
        if request.user is None:
            raise Refused(401, "Invalid credentials in Authorization header")
        return {"type": "user", "name": request.user, "orgs": [], "auth": {"accessToken": {"role": request.role}}}

    def _create(self, request: Request, _: dict[str, str]) -> Any:
        self._require_write(request)
        asked = request.json
        kind = asked.get("type", "model") + "s"
        name = f"{asked.get('organization') or request.user}/{asked['name']}"
        url = f"{self.url}/{kind}/{name}"
        if (kind, name) in self.repositories:
            raise Refused(409, json.dumps({"error": "You already created this repo", "url": url}))
        if kind == "spaces" and not asked.get("sdk"):
            raise Refused(400, "a Space needs an sdk")
        self.repositories[kind, name] = Repository.empty(kind, name)
        return {"url": url}

    def _info(self, request: Request, parts: dict[str, str], repository: Repository) -> Any:
        commit = repository.at(parts.get("rev") or "main")
        files = [{"rfilename": path} for path in commit.files]
        return {"id": repository.id, "sha": commit.oid, "siblings": files, "tags": [], "private": False}

    def _refs(self, _: Request, __: dict[str, str], repository: Repository) -> Any:
        found = [{"name": name, "ref": name, "targetCommit": oid} for name, oid in repository.refs.items()]
        proposed = [ref for ref in found if ref["name"].startswith("refs/pr/")]
        return {
            "branches": [ref for ref in found if ref not in proposed],
            "tags": [],
            "converts": [],
            "pullRequests": proposed,
        }

    def _tree(
        self, request: Request, parts: dict[str, str], repository: Repository
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        files = repository.at(parts["rev"]).files
        below = f"{parts['path']}/" if parts["path"] else ""
        deep = request.query.get("recursive", "").lower() == "true"
        entries: dict[str, dict[str, Any]] = {}
        for path, blob in sorted(files.items()):
            if not path.startswith(below):
                continue
            names = path[len(below) :].split("/")
            for depth in range(1, len(names) if deep else min(2, len(names))):
                folder = below + "/".join(names[:depth])
                entries.setdefault(folder, {"type": "directory", "path": folder, "oid": "0" * 40, "size": 0})
            if deep or len(names) == 1:
                entries[path] = blob.entry(path)
        if below and not entries:
            raise Refused(404, "no such folder", "EntryNotFound")
        listed, start = list(entries.values()), int(request.query.get("cursor", "0"))
        headers = {}
        if start + self.page < len(listed):
            recursive = request.query.get("recursive", "false")
            link = f"{self.url}{request.path}?recursive={recursive}&cursor={start + self.page}"
            headers["Link"] = f'<{link}>; rel="next"'
        return listed[start : start + self.page], headers

    def _paths_info(self, request: Request, parts: dict[str, str], repository: Repository) -> Any:
        files = repository.at(parts["rev"]).files
        return [files[path].entry(path) for path in request.json["paths"] if path in files]

    def _preupload(self, request: Request, parts: dict[str, str], repository: Repository) -> Any:
        if "create_pr" not in request.query:
            self._require_write(request)
        elif request.user is None:
            raise Refused(401, "Invalid username or password.")
        held = repository.at(parts["rev"]).files
        told = []
        for file in request.json["files"]:
            lfs = bool(_LFS.search(file["path"])) or file["size"] > _MODE_LIMIT
            blob = held.get(file["path"])
            oid = None if blob is None else blob.sha256 if blob.lfs else blob.oid
            mode = "lfs" if lfs else "regular"
            told.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": told}

    def _commit(self, request: Request, parts: dict[str, str], repository: Repository) -> Any:
        proposes = "create_pr" in request.query
        if not proposes:
            self._require_write(request)
        lines = [json.loads(line) for line in request.body.splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        changes = dict(self._change(line["key"], line["value"]) for line in lines if line["key"] != "header")
        author = request.user if proposes else None
        commit, proposed = repository.write(
            header["summary"], changes, parts["rev"], header.get("parentCommit"), author
        )
        page = f"{self.url}/{repository.kind}/{repository.id}"
        told = {"commitUrl": f"{page}/commit/{commit.oid}", "commitOid": commit.oid, "success": True}
        return told if proposed is None else told | {"pullRequestUrl": f"{page}/discussions/{proposed.number}"}

    def _change(self, key: str, value: dict[str, Any]) -> tuple[str, Blob | None]:
        if key == "file":
            return value["path"], Blob(base64.b64decode(value["content"]))
        if key == "lfsFile":
            if value["oid"] not in self.lfs:
                raise Refused(400, "LFS pointer pointed to a file that does not exist")
            return value["path"], Blob(self.lfs[value["oid"]], lfs=True)
        if key == "deletedFile":
            return value["path"], None
        raise Refused(400, f"unknown operation {key}")

    def _discussions(self, request: Request, _: dict[str, str], repository: Repository) -> Any:
        status = request.query.get("status")
        told = [
            {
                "title": found.title,
                "num": found.number,
                "author": {"name": found.author},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "status": found.status,
                "repo": {"name": repository.id, "type": repository.kind.removesuffix("s")},
                "isPullRequest": True,
            }
            for found in repository.pull_requests
            if status in (None, found.status)
        ]
        return {"discussions": told, "count": len(told), "start": 0}

    def _merge(self, request: Request, parts: dict[str, str], repository: Repository) -> Any:
        self._require_write(request)
        proposed = repository.at(f"refs/pr/{parts['number']}")
        base = repository.at(proposed.parent or "").files
        changes = {path: blob for path, blob in proposed.files.items() if base.get(path) != blob}
        repository.write(proposed.message, changes)
        repository.pull_requests[int(parts["number"]) - 1].status = "merged"
        return {}

    def _batch(self, request: Request, _: dict[str, str], repository: Repository) -> Any:
        told = []
        for asked in request.json["objects"]:
            actions = {name: {"href": f"{self.url}/lfs/{asked['oid']}{end}"} for name, end in _UPLOAD.items()}
            known = asked["oid"] in self.lfs
            told.append({"oid": asked["oid"], "size": asked["size"]} | ({} if known else {"actions": actions}))
        return {"transfer": "basic", "objects": told}

    def _upload(self, request: Request, parts: dict[str, str]) -> Any:
        if Blob(request.body).sha256 != parts["sha"]:
            raise Refused(400, "content does not match its address")
        self.lfs[parts["sha"]] = request.body
        return {}


_UPLOAD = {"upload": "", "verify": "/verify"}
