"""Small requests to one server: their connections are kept, and are those that the policy allows."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
        if self.path == "/empty":
            self.send_response(204)
            self.send_header("X-Peer", str(self.client_address[1]))
            self.end_headers()
            return
        self.answer(200, b"x" * (LONG if self.path == "/long" else 1))

    def do_HEAD(self) -> None:
        self.answer(200, b"")

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


def test_a_connection_is_kept_after_answers_that_have_no_body(server: str) -> None:
    with closing(ShortRequests(LOCAL_POLICY, server)) as short:
        answers = [short.send(*request, {}) for request in (("GET", "/empty"), ("HEAD", "/"), ("GET", "/"))]

    assert [answer.status for answer in answers if answer is not None] == [204, 200, 200]
    assert len({answer.headers["x-peer"] for answer in answers if answer is not None}) == 1


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


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """Serve one connection for each answer, which is sent as it is before the connection ends."""

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        OK + b"Content-Length: 5\r\n\r\nabc",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: +1\r\n\r\na",
        OK + b"no colon\r\n\r\n",
        OK + b"X: a\r\n b\r\n\r\n",
        OK + b"X: a\0b\r\n\r\n",
        OK + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
def test_an_answer_that_is_not_whole_or_not_clear_is_an_error_of_the_transport(answer: bytes) -> None:
    with (
        answering(answer) as url,
        closing(ShortRequests(LOCAL_POLICY, url)) as short,
        pytest.raises(httpx.TransportError),
    ):
        short.send("GET", "/", {})


def test_interim_answers_are_passed_over_and_a_body_without_a_length_ends_the_connection() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    more = OK + b"Content-Length: 1\r\n\r\na" + OK  # smuggled in for the next request
    last = b"HTTP/1.0 201\r\nX:  a \r\nContent-Length: 0\r\n\r\n"
    with (
        answering(interim + chunked, more, last) as url,
        closing(ShortRequests(LOCAL_POLICY, url)) as short,
    ):
        answers = [short.send("GET", "/", {}) for _ in range(3)]

    assert [answer and answer.status for answer in answers] == [200, 200, 201]
    assert answers[2] is not None
    assert answers[2].headers["x"] == "a"


def test_the_answer_to_a_head_has_no_body_though_it_has_a_length() -> None:
    long = OK + b"Content-Length: 5000000\r\n\r\n"
    with answering(long) as url, closing(ShortRequests(LOCAL_POLICY, url)) as short:
        answer = short.send("HEAD", "/", {})

    assert answer is not None
    assert answer.headers["content-length"] == "5000000"


@pytest.mark.parametrize("value", ["a\r\nY: b", "\N{SNOWMAN}", "a\0"])
def test_a_header_that_would_break_the_request_is_not_sent(server: str, value: str) -> None:
    with closing(ShortRequests(LOCAL_POLICY, server)) as short, pytest.raises(httpx.TransportError):
        short.send("GET", "/short", {"X": value})
