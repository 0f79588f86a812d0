"""Receivers of webhooks and mails: real servers of the test's own, on 127.0.0.1, that can misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.services.servers.threads import serving


@dataclass(frozen=True)
class Message:
    """A request that a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Takes every POST and answers with `code`; `silent` it says nothing until the test ends."""

    def __init__(self, port: int = 0) -> None:
        self.got: list[Message] = []
        self.arrived = threading.Event()
        self.code = 204
        self.headers: dict[str, str] = {}
        self.body = b""
        self.silent = self.dripping = False
        self.over = threading.Event()
        outer = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(Message(self.path, dict(self.headers), body))
                outer.arrived.set()
                if outer.silent:
                    outer.over.wait(30)
                    return
                with suppress(OSError):
                    if outer.dripping:
                        self.wfile.write(b"HTTP/1.1 204 ")
                        while not outer.over.wait(0.05):
                            self.wfile.write(b"x")
                        return
                    self.send_response(outer.code)
                    for name, value in outer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(outer.body)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = _Quietly(("127.0.0.1", port), Answers)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        with serving(self._server):
            try:
                yield self
            finally:
                self.over.set()


class _Quietly(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients here may be killed at any time."""


class Mailbox:
    """A mail server's handler: keeps mails, except for the addresses that it refuses."""

    def __init__(self) -> None:
        self.got: list[tuple[list[str], str]] = []
        self.refused = ""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refused:
            return self.refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content: Any = envelope.content
        self.got.append((list(envelope.rcpt_tos), content.decode()))
        return "250 OK"


@contextmanager
def mail_server(mailbox: Mailbox, port: int) -> Iterator[None]:
    """Run a mail server on this port."""
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield
    finally:
        controller.stop()
