"""A server that never quite stops sending: each piece comes soon enough for a timeout of single reads."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.services.servers.threads import serving

PAUSE_SECONDS = 0.02
_PIECES = 1500  # so that a test without deadlines ends too, and fails


class Trickle:
    """Answers each connection by what `answer` yields for the request's first line, piece after piece."""

    def __init__(self, answer: Callable[[str], Iterator[bytes]]) -> None:
        self.requests: list[str] = []
        self.over = threading.Event()
        outer = self

        class Answers(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):  # the studio has hung up
                    self.request.settimeout(30)
                    line = self.request.recv(1 << 16).partition(b"\r\n")[0].decode("latin-1")
                    outer.requests.append(line)
                    for piece in answer(line):
                        self.request.sendall(piece)
                        if outer.over.wait(PAUSE_SECONDS):
                            return

        class Threads(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self._server = Threads(("127.0.0.1", 0), Answers)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"

    @contextmanager
    def running(self) -> Iterator[Trickle]:
        with serving(self._server):
            try:
                yield self
            finally:
                self.over.set()


def _then(start: bytes, piece: bytes) -> Iterator[bytes]:
    yield start
    for _ in range(_PIECES):
        yield piece


def redirects(line: str) -> Iterator[bytes]:
    """Send on again and again, each time soon enough."""
    yield from (b"HTTP/1.1 302 Found\r\n", b"X-A: b\r\n", b"X-C: d\r\n", b"X-E: f\r\n")
    yield b"Location: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


HEADS: dict[str, Callable[[str], Iterator[bytes]]] = {
    "status line": lambda _: _then(b"HTTP/1.1 200 ", b"x"),
    "headers": lambda _: _then(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
    "many headers": lambda _: _then(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "informational answers": lambda _: _then(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "redirects": redirects,
}
"""Answers that never come to their body."""
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODIES: dict[str, Callable[[str], Iterator[bytes]]] = {
    "body": lambda _: _then(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "body without a length": lambda _: _then(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "chunks": lambda _: _then(_CHUNKED, b"1\r\nx\r\n"),
    "header of a chunk": lambda _: _then(_CHUNKED + b"1;", b"x"),
    "trailers": lambda _: _then(_CHUNKED + b"0\r\n", b"X: y\r\n"),
}
"""Answers whose body does not end."""
