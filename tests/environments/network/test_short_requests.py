"""Small requests to one server: their connections are kept, and are those that the policy allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from environments.network.policy import LOCAL_POLICY, EgressPolicy
from environments.network.short_requests import ShortRequests
from tests.services.servers.threads import serving

LONG = 1_000_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(201, str(len(body)).encode(), self.headers["Host"])

    def do_GET(self) -> None:
        if self.path == "/broken":
            self.wfile.write(b"nonsense\r\n\r\n")
            self.close_connection = True
            return
        self.answer(200, b"x" * (LONG if self.path == "/long" else 1))

    def answer(self, status: int, body: bytes, shown: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Peer", str(self.client_address[1]))
        self.send_header("X-Shown", shown)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    with serving(listening):
        yield f"http://127.0.0.1:{listening.server_port}"


def test_a_connection_is_kept_for_the_next_request_but_not_after_a_long_answer(server: str) -> None:
    with closing(ShortRequests(LOCAL_POLICY, server)) as short:
        answers = [short.send("PUT", "/a", {"X": "y"}, b"body") for _ in range(2)]
        answers += [short.send("GET", path, {}) for path in ("/long", "/short")]

    peers = [answer.headers["x-peer"] for answer in answers if answer is not None]
    assert len(peers) == 4
    assert peers[0] == peers[1] == peers[2] != peers[3]
    assert answers[0] is not None
    assert (answers[0].status, answers[0].headers["x-shown"]) == (201, server.partition("//")[2])


def test_an_address_that_the_policy_refuses_is_not_connected_to(server: str) -> None:
    with closing(ShortRequests(EgressPolicy(), server)) as short:
        assert short.send("GET", "/short", {}) is None


def test_what_goes_through_the_operators_proxy_is_left_to_httpx(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "")
    with closing(ShortRequests(LOCAL_POLICY, server)) as short:
        assert short.send("GET", "/short", {}) is None


@pytest.mark.parametrize("path", ["/broken", "/a b", "/a\r\nX: y"])
def test_a_broken_exchange_is_an_error_of_the_transport(server: str, path: str) -> None:
    with closing(ShortRequests(LOCAL_POLICY, server)) as short, pytest.raises(httpx.TransportError):
        short.send("GET", path, {})
