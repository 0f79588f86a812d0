"""A proxy in front of the real container registry that refuses manifests: some of them, or all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from tests.services.servers.registry import Registry
from tests.services.servers.threads import serving

Fault = Literal["503", "broken connection"]
_PER_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class FailingRegistry:
    """Passes everything on, except that the first `times` manifests sent to it end in a fault."""

    def __init__(self, registry: Registry, fault: Fault, times: int) -> None:
        self.refused = 0
        self.has_refused = threading.Event()
        self._registry = registry
        self._fault = fault
        self._times = times
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.command == "PUT" and "/manifests/" in self.path and outer.takes_its_turn():
                    outer.refuse(self)
                    return
                outer.forward(self, body)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = pass_on

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"

    def takes_its_turn(self) -> bool:
        """Return whether this manifest is to be refused, and count it."""
        with self._lock:
            refuses = self.refused < self._times
            self.refused += refuses
            return refuses

    def refuse(self, request: BaseHTTPRequestHandler) -> None:
        """Answer 503, or break the connection without an answer."""
        request.close_connection = True
        if self._fault == "503":
            request.send_response(503)
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            request.connection.shutdown(socket.SHUT_RDWR)
        self.has_refused.set()

    def forward(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Have the registry answer; it sees the proxy's address, which its redirects name."""
        connection = HTTPConnection("127.0.0.1", self._registry.port, timeout=30)
        try:
            connection.request(request.command, request.path, body, dict(request.headers))
            response: HTTPResponse = connection.getresponse()
            content = response.read()
            request.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in _PER_HOP:
                    request.send_header(name, value)
            length = response.getheader("Content-Length") if request.command == "HEAD" else None
            request.send_header("Content-Length", length or str(len(content)))
            request.end_headers()
            request.wfile.write(content)
        finally:
            connection.close()

    @contextmanager
    def running(self) -> Iterator[FailingRegistry]:
        """Serve during the block."""
        with serving(self._server):
            yield self
