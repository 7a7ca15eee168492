"""The loopback Hub as an HTTP server of this machine, with a log of requests and faults at will."""

from __future__ import annotations

import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from loopback_hub.api import Api, Request
from loopback_hub.faults import Fault
from loopback_hub.repositories import Refused, Repository

_RESOLVE = re.compile(r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class LoopbackHub:
    """A Hub at ``url`` until it is left; two users, one of whom may only read.

    Attributes:
        requests: ``METHOD /path`` of all requests so far.
        faults: that strike the coming requests.
    """

    def __init__(self, port: int = 0, tokens: dict[str, tuple[str, str]] | None = None) -> None:
        self.tokens = tokens or {"hf_writer": ("writer", "write"), "hf_reader": ("reader", "read")}
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self.api = Api()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.hub = self
        self.url = self.api.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> LoopbackHub:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fault in self.faults:
            fault.release.set()
        self._server.shutdown()
        self._server.server_close()

    def repository(self, name: str, kind: str = "datasets") -> Repository:
        """The repository of this name, made if there is none."""
        return self.api.repositories.setdefault((kind, name), Repository.empty(kind, name))

    def fault(self, kind: str, **given: Any) -> Fault:
        """Let a coming request fail; see ``Fault``."""
        fault = Fault(kind, **given)
        self.faults.append(fault)
        return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: LoopbackHub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # a reply leaves in one piece
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the log is ``LoopbackHub.requests``."""

    def _serve(self) -> None:
        hub, address = self.server.hub, urlsplit(self.path)
        name, body = f"{self.command} {address.path}", self._body()
        hub.requests.append(name)
        fault = next((fault for fault in hub.faults if fault.strikes(name)), Fault("none"))
        fault.reached.set()
        if fault.kind == "hang":
            fault.release.wait()
        if fault.kind in {"dropped", "hang"}:
            return self._drop()
        if fault.kind == "unavailable":
            return self._reply(503, b"<html>down</html>", {"Content-Type": "text/html"})
        if fault.kind == "throttled":
            return self._reply(429, b"{}", {"Retry-After": fault.retry_after})
        if fault.kind == "meanwhile":
            fault.act()
        status, data, headers = self._answer(address.path, dict(parse_qsl(address.query)), body)
        if fault.kind == "lost":
            return self._drop()
        if fault.kind == "late":
            status, data, headers = 504, b"", {}
        return self._reply(status, data, headers)

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815

    def _answer(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        hub = self.server.hub
        try:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if token and token not in hub.tokens:
                raise Refused(401, "Invalid credentials in Authorization header")
            user, role = hub.tokens.get(token, (None, "none"))
            match = _RESOLVE.fullmatch(path)
            if match is not None:
                return self._file(*match.groups(default="models"))
            answer, headers = hub.api.answer(Request(self.command, path, query, body, user, role))
            return 200, json.dumps(answer).encode(), {"Content-Type": "application/json", **headers}
        except Refused as refused:
            text = refused.message if refused.message.startswith("{") else json.dumps({"error": refused.message})
            headers = {"X-Error-Message": "already there" if refused.status == 409 else refused.message}
            return refused.status, text.encode(), headers | ({"X-Error-Code": refused.code} if refused.code else {})

    def _file(self, kind: str, name: str, revision: str, path: str) -> tuple[int, bytes, dict[str, str]]:
        repository = self.server.hub.api.repositories.get((kind, name))
        if repository is None:
            raise Refused(404, "Repository not found", "RepoNotFound")
        commit = repository.at(unquote(revision))
        blob = commit.files.get(unquote(path))
        if blob is None:
            raise Refused(404, "Entry not found", "EntryNotFound")
        etag = blob.sha256 if blob.lfs else blob.oid
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{etag}"', "Content-Type": "application/octet-stream"}
        if blob.lfs:
            headers |= {"X-Linked-Size": str(len(blob.data)), "X-Linked-Etag": f'"{etag}"'}
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span is None:
            return 200, blob.data, headers
        first, last = int(span.group(1)), int(span.group(2) or len(blob.data) - 1)
        part = blob.data[first : last + 1]
        return 206, part, headers | {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(blob.data)}"}

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reply(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
