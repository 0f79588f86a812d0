"""Send many small requests with short answers to one server, at a fraction of the processor time of httpx.

    short = ShortRequests(policy, "https://registry.example.com")
    answer = short.send("PUT", "/v2/…", {"Content-Type": "…"}, body)  # None: send it with an httpx client

Connections are made by the same policy and deadlines as those of `environments.network.client`, and are kept. What goes
through the operator's proxy is left to httpx.
"""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
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
        self._scheme, self._authority = parts.scheme, parts.netloc
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._direct = (
            bool(self._host) and not parts.path and upstream_proxy(parts.scheme, parts.netloc) is None
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
        exchange = Exchange(self._policy.deadlines)
        connection = None
        try:
            with working_at(exchange):
                connection = self._connection()
                connection.request(method, path, body, dict(headers))
                response = connection.getresponse()
                # A longer answer is not read to its end.
                whole = len(response.read(_MOST_BYTES + 1)) <= _MOST_BYTES
        except AddressRefused:
            return None  # httpx' client has the error for it
        except httpcore.TimeoutException as error:
            _close(connection)
            raise httpx.ReadTimeout(str(error)) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, HTTPException, OSError, ValueError) as error:
            _close(connection)
            raise httpx.ReadError(str(error) or type(error).__name__) from error
        except BaseException:
            _close(connection)
            raise
        if whole and not response.will_close:
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()
        return ShortAnswer(response.status, {name.lower(): text for name, text in response.getheaders()})

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop()[1].close()

    def _connection(self) -> _Connection:
        while True:
            try:
                since, connection = self._idle.pop()
            except IndexError:
                return _Connection(self._host, self._port, self._open(), self._authority)
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


class _Connection(HTTPConnection):
    """A connection of http.client on a stream of httpcore, which is within the deadlines."""

    def __init__(self, host: str, port: int, stream: httpcore.NetworkStream, authority: str) -> None:
        super().__init__(host, port)
        self._stream = stream
        self._authority = authority
        self.sock: Any = _Socket(stream)
        self.auto_open = 0

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        super().putrequest(method, url, skip_host=True, skip_accept_encoding=True)
        self.putheader("Host", self._authority.rpartition("@")[2])

    def ended(self) -> bool:
        """Whether the server has ended it, or sends what nobody requested."""
        return bool(self._stream.get_extra_info("is_readable"))


class _Socket:
    """The part of a socket that http.client uses."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def sendall(self, data: bytes) -> None:
        self._stream.write(bytes(data), _SECONDS)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Received(self._stream))

    def close(self) -> None:
        self._stream.close()


class _Received(io.RawIOBase):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read(len(buffer), _SECONDS)
        buffer[: len(piece)] = piece
        return len(piece)


def _close(connection: _Connection | None) -> None:
    if connection is not None:
        connection.close()
