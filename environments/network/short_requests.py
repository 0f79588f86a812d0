"""Send many small requests with short answers to one server, at a fraction of the processor time of httpx.

    short = ShortRequests(policy, "https://registry.example.com")
    answer = short.send("PUT", "/v2/…", {"Content-Type": "…"}, body)  # None: send it with an httpx client

Connections are made by the same policy and deadlines as those of `environments.network.client`, and are kept. What goes
through the operator's proxy is left to httpx.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore
import httpx

from environments.network.client import trusted
from environments.network.deadlines import Exchange, TimedBackend, working_at
from environments.network.policy import AddressRefused, EgressPolicy
from environments.network.upstream import upstream_proxy

_SECONDS = 20.0
_IDLE_SECONDS = 5.0
_MOST_BYTES = 64 * 1024
_TARGET = re.compile(r"/[!-~]*")
_NAME = re.compile(r"[!#-'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: |$)")
_NO_BODY = {204, 304}


@dataclass(frozen=True, slots=True)
class ShortAnswer:
    """An answer whose body was read and dropped; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]


class ShortRequests:
    """The connections to one server; threads may share them. Close it at the end."""

    def __init__(self, policy: EgressPolicy, url: str) -> None:
        parts = urlsplit(url)
        self._policy = policy
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._shown = parts.netloc.rpartition("@")[2]
        self._direct = (
            bool(self._host)
            and self._shown.isascii()
            and not parts.path
            and upstream_proxy(parts.scheme, parts.netloc) is None
        )
        self._idle: deque[tuple[float, _Connection]] = deque()

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> ShortAnswer | None:
        """Send a request and return its answer. None if this server takes httpx.

        Raises httpx.TransportError.
        """
        if not self._direct:
            return None
        connection = None
        try:
            request = _head(method, path, {"Host": self._shown, **headers}, body)
            with working_at(Exchange(self._policy.deadlines)):
                connection = self._connection()
                answer, goes_on = connection.exchange(request + (body or b""), to_head=method == "HEAD")
        except AddressRefused:
            return None  # httpx' client has the error for it
        except httpcore.TimeoutException as error:
            _close(connection)
            raise httpx.ReadTimeout(str(error)) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as error:
            _close(connection)
            raise httpx.ReadError(str(error) or type(error).__name__) from error
        except BaseException:
            _close(connection)
            raise
        if goes_on:
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop()[1].close()

    def _connection(self) -> _Connection:
        while True:
            try:
                since, connection = self._idle.pop()
            except IndexError:
                return _Connection(self._open())
            if time.monotonic() - since < _IDLE_SECONDS and not connection.ended():
                return connection
            connection.close()

    def _open(self) -> httpcore.NetworkStream:
        stream = TimedBackend(self._policy.addresses).connect_tcp(self._host, self._port, _SECONDS)
        if self._scheme != "https":
            return stream
        try:
            return stream.start_tls(trusted(), self._host, _SECONDS)
        except BaseException:
            stream.close()
            raise


class _Connection:
    """Exchanges requests for answers on a stream of httpcore, which is within the deadlines."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def ended(self) -> bool:
        """Whether the server has ended it, or sends what nobody requested."""
        return bool(self._stream.get_extra_info("is_readable"))

    def close(self) -> None:
        self._stream.close()

    def exchange(self, request: bytes, *, to_head: bool) -> tuple[ShortAnswer, bool]:
        """Send a request; return its answer, and whether the connection takes another."""
        self._stream.write(request, _SECONDS)
        received = b""
        while True:
            head, received = self._until_empty_line(received)
            answer, minor = _answer(head)
            if answer.status >= 200:
                break
            if answer.status == 101:
                raise ValueError("its answer is not HTTP")
        goes_on = minor == b"1" and "close" not in answer.headers.get("connection", "").lower()
        size = 0 if to_head or answer.status in _NO_BODY else _size_of(answer)
        # A body without a size, or a long one, is not read: its connection ends.
        if size is None or size > _MOST_BYTES:
            return answer, False
        while len(received) < size:
            received += self._more()
        return answer, goes_on and len(received) == size

    def _until_empty_line(self, received: bytes) -> tuple[bytes, bytes]:
        """Return the head of an answer, and what came after it."""
        while (end := received.find(b"\r\n\r\n")) < 0:
            if len(received) > _MOST_BYTES:
                raise ValueError("its answer is not HTTP")
            received += self._more()
        return received[:end], received[end + 4 :]

    def _more(self) -> bytes:
        piece = self._stream.read(_MOST_BYTES, _SECONDS)
        if not piece:
            raise ValueError("it ended the connection before its answer was complete")
        return piece


def _head(method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Return a request up to its body. Raises ValueError for what would break it."""
    if not _TARGET.fullmatch(path):
        raise ValueError("an address or a header has characters that no request can have")
    lines = [f"{method} {path} HTTP/1.1"]
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("an address or a header has characters that no request can have")
        lines.append(f"{name}: {value}")
    if body is not None and "Content-Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _answer(head: bytes) -> tuple[ShortAnswer, bytes]:
    """Return an answer and the minor version of its HTTP. Raises ValueError."""
    first, *lines = head.split(b"\r\n")
    status = _STATUS.match(first)
    if status is None:
        raise ValueError("its answer is not HTTP")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        name, value = name.lower(), value.strip(" \t")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("its answer is not HTTP")
        if name == "content-length" and headers.get(name, value) != value:
            raise ValueError("its answer is not HTTP")
        headers[name] = value
    return ShortAnswer(int(status[2]), headers), status[1]


def _size_of(answer: ShortAnswer) -> int | None:
    """Return the length of a body, None if the answer does not state it. Raises ValueError."""
    size = answer.headers.get("content-length")
    if size is None or "transfer-encoding" in answer.headers:
        return None
    if not (size.isascii() and size.isdigit() and len(size) < 20):
        raise ValueError("its answer is not HTTP")
    return int(size)


def _close(connection: _Connection | None) -> None:
    if connection is not None:
        connection.close()
