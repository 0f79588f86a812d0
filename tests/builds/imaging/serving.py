"""A package index and a container registry of the test's own, on 127.0.0.1, that can misbehave."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.services.servers.threads import serving

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""


class Server:
    """Answers by a function of the request; remembers what was asked."""

    def __init__(
        self, answer: Callable[[BaseHTTPRequestHandler], Answer], host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                status, headers, body = answer(self)
                self.send_response(status)
                length = headers.pop("Content-Length", str(len(body)))
                for name, value in {**headers, "Content-Length": length}.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(body)
                if int(length) != len(body):
                    self.close_connection = True

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = _Quietly((host, port), Answers)
        self.address = f"{host}:{self._server.server_port}"
        self.url = f"http://{self.address}"

    @contextmanager
    def running(self) -> Iterator[Server]:
        with serving(self._server):
            yield self


class _Quietly(ThreadingHTTPServer):
    """A server that says nothing when a client hangs up."""

    def handle_error(self, *_: object) -> None:
        """Clients here may be killed at any time."""


class Index:
    """A simple package index (PEP 503) of the files in a folder; `login` as "user:password"."""

    def __init__(self, folder: Path, login: str = "", host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.login = login
        self.server = Server(self._answer, host)
        self.failures: list[Answer] = []
        self.withdrawn: dict[str, str] = {}  # why, by the file's name
        self.pythons: dict[str, str] = {}  # Requires-Python, by the file's name
        self.uploaded: dict[str, str] = {}  # the time, by the file's name; with any, listings are JSON
        self.first: list[Callable[[], object]] = []  # done before a file is answered, one each

    @property
    def url(self) -> str:
        return f"{self.server.url}/simple"

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if self.login and request.headers.get("Authorization") != basic(self.login):
            return 401, {"WWW-Authenticate": "Basic realm=index"}, b""
        _, kind, name, *_ = [*unquote(urlsplit(request.path).path).split("/"), ""]
        if kind == "files":
            if self.first:
                self.first.pop(0)()
            if self.failures:
                return self.failures.pop(0)
            return ranged((self.folder / name).read_bytes(), request)
        files = [file for file in sorted(self.folder.iterdir()) if _of(file.name) == name]
        if not files:
            return 404, {}, b""
        if self.uploaded:
            return self._as_json(name, files)
        links = "".join(
            f'<a href="/files/{f.name}#sha256={_sha256(f)}"{self._withdrawn(f.name)}{self._for(f.name)}>{f.name}</a>'
            for f in files
        )
        return 200, {"Content-Type": "text/html"}, f"<html><body>{links}</body></html>".encode()

    def _as_json(self, name: str, files: list[Path]) -> Answer:
        """Answer as PEP 691 and PEP 700 say."""
        entries = [
            {
                "filename": file.name,
                "url": f"/files/{file.name}",
                "hashes": {"sha256": _sha256(file)},
                "size": file.stat().st_size,
                **({"upload-time": self.uploaded[file.name]} if file.name in self.uploaded else {}),
                **({"requires-python": self.pythons[file.name]} if file.name in self.pythons else {}),
                **({"yanked": self.withdrawn[file.name]} if file.name in self.withdrawn else {}),
            }
            for file in files
        ]
        listing = {"meta": {"api-version": "1.1"}, "name": name, "files": entries}
        kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
        return 200, kind, json.dumps(listing).encode()

    def _for(self, name: str) -> str:
        return f' data-requires-python="{escape(self.pythons[name])}"' if name in self.pythons else ""

    def _withdrawn(self, name: str) -> str:
        return f' data-yanked="{self.withdrawn[name]}"' if name in self.withdrawn else ""


class Channel:
    """The files of a conda channel in a folder; `login` as "user:password"."""

    def __init__(self, folder: Path, login: str = "") -> None:
        self.folder = folder
        self.login = login
        self.server = Server(self._answer)

    @property
    def url(self) -> str:
        return f"{self.server.url}/{self.folder.name}"

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if self.login and request.headers.get("Authorization") != basic(self.login):
            return 401, {"WWW-Authenticate": "Basic realm=channel"}, b""
        path = self.folder.parent / urlsplit(request.path).path.lstrip("/")
        return ranged(path.read_bytes(), request) if path.is_file() else (404, {}, b"")


class TokenRegistry:
    """A registry that wants a bearer token, which it issues for the right password, for one pull."""

    def __init__(self, blobs: dict[str, tuple[str, bytes]], user: str, password: str) -> None:
        self.blobs = blobs
        self.login = (user, password)
        self.server = Server(self._answer)
        self.tokens = 0
        self.uses_of_the_first_token = 1000
        self._left: dict[str, int] = {}
        self._lock = threading.Lock()
        self.layers_cut_at: list[int] = []
        self.busy = 0

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        path = urlsplit(request.path)
        if path.path == "/token":
            authorization = request.headers.get("Authorization", "")
            if authorization != "Basic " + base64.b64encode(":".join(self.login).encode()).decode():
                return 401, {}, b"{}"
            assert parse_qs(path.query)["scope"] == ["repository:team/base:pull"]
            with self._lock:
                self.tokens += 1
                token = f"t{self.tokens}"
                self._left[f"Bearer {token}"] = self.uses_of_the_first_token if self.tokens == 1 else 1000
            return 200, {"Content-Type": "application/json"}, json.dumps({"token": token}).encode()
        shown = request.headers.get("Authorization", "")
        with self._lock:
            self._left[shown] = self._left.get(shown, 0) - 1
            ended = self._left[shown] < 0
        if ended:
            realm = (
                f'Bearer realm="{self.server.url}/token",service="tests",scope="repository:team/base:pull"'
            )
            return 401, {"WWW-Authenticate": realm}, b""
        if self.busy:
            self.busy -= 1
            return 503, {}, b"busy"
        media_type, body = self.blobs.get(path.path.rpartition("/")[2], ("", b""))
        if not media_type:
            return 404, {}, b"{}"
        status, headers, content = ranged(body, request)
        if "layer" in media_type and self.layers_cut_at:
            headers["Content-Length"], content = str(len(content)), content[: self.layers_cut_at.pop(0)]
        return status, {**headers, "Content-Type": media_type}, content


def basic(login: str) -> str:
    """Return the header that "user:password" is proved with."""
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def ranged(body: bytes, request: BaseHTTPRequestHandler) -> Answer:
    """Return the part of the body that the request asks for."""
    match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    if match is None:
        return 200, {}, body
    start = int(match[1])
    return 206, {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, body[start:]


def _of(filename: str) -> str:
    """Return the package that a file is of, by its name; empty where it is no package's."""
    if filename.endswith(".tar.gz"):
        return _normal(filename.rpartition("-")[0])
    return _normal(filename.split("-")[0]) if filename.endswith(".whl") else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
