"""Deadlines for the answers of other servers.

The timeouts of httpx are for each read and each write: a server that sends a byte now and then evades them all.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import httpcore
import httpx

T = TypeVar("T")
EXTENSION = "exchange"
"""Among the extensions of a request: its exchange, which the requests that follow redirects share."""
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Limits of an exchange: a request, its redirects and the body of the last answer.

    `head` is the seconds until the last answer's body begins, without the time that sending takes; `whole` is the
    seconds for everything. Bodies in both directions pass at `pace` bytes per second, on average, after `head` seconds.
    """

    head: float = 60.0
    whole: float = 4 * 3600.0
    pace: float = 10_000.0


class Exchange:
    """The clock of one exchange."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._began = time.monotonic()
        self._whole = deadlines.whole
        self._until = self._began + self._whole
        self._sending, self._sent = 0.0, 0
        self._wait_began, self._waited, self._received = 0.0, 0.0, 0
        self._answered = False

    def end_within(self, seconds: float) -> None:
        """Let what is left of the exchange take so many seconds at most."""
        until = time.monotonic() + seconds
        if until < self._until:
            self._until, self._whole = until, seconds

    def begin(self) -> None:
        """Send a request, the first or one that follows a redirect."""
        self._answered = False

    def answer(self) -> None:
        """Note that the head of an answer is complete."""
        self._answered, self._waited, self._received = True, 0.0, 0

    def sent(self, size: int, seconds: float) -> None:
        """Count bytes of a request."""
        self._sent += size
        self._sending += seconds

    def await_body(self, pieces: Iterator[bytes]) -> bytes | None:
        """Return the next piece of a body, None at its end. What the studio does between them takes no time of it."""
        self._wait_began = time.monotonic()
        with working_at(self):
            piece = next(pieces, None)
        self._waited += time.monotonic() - self._wait_began
        self._received += len(piece or b"")
        return piece

    def run(self, do: Callable[[float | None], T], timeout: float | None, *, sending: bool = False) -> T:
        """Do something that takes a timeout, within what is left. Raises httpcore.ReadTimeout."""
        left = self._left(sending)
        try:
            return do(left if timeout is None else min(timeout, left))
        except httpcore.TimeoutException:
            self._left(sending)
            raise

    def _left(self, sending: bool) -> float:
        """Return the seconds that are left."""
        now, limits = time.monotonic(), self._deadlines
        whole = self._until - now
        if whole <= 0:
            raise httpcore.ReadTimeout(f"its answer takes longer than {self._whole:.0f} seconds")
        if self._answered:
            slow = limits.head + self._received / limits.pace - self._waited - (now - self._wait_began)
        elif sending:
            slow = limits.head + self._sent / limits.pace - (now - self._began)
        else:
            slow = limits.head - (now - self._began - self._sending)
            if slow <= 0:
                raise httpcore.ReadTimeout(f"its answer does not begin within {limits.head:.0f} seconds")
        if slow <= 0:
            raise httpcore.ReadTimeout(f"it is slower than {limits.pace:.0f} bytes per second")
        return min(whole, slow)


def end_within(response: httpx.Response, seconds: float) -> None:
    """Let the rest of an answer that is open take so many seconds at most."""
    exchange = response.request.extensions.get(EXTENSION)
    if isinstance(exchange, Exchange):
        exchange.end_within(seconds)


def seconds_within(seconds: float) -> float:
    """Return these seconds, or what is left of the exchange that this thread works at if that is less."""
    try:
        return _timed(lambda left: seconds if left is None else left, seconds)
    except httpcore.ReadTimeout:
        return 0.0


class TimedTransport(httpx.BaseTransport):
    """Sends requests by another transport, whose streams are timed, within the deadlines of their exchange."""

    def __init__(self, transport: httpx.BaseTransport, deadlines: Deadlines) -> None:
        self._transport = transport
        self._deadlines = deadlines

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        exchange = request.extensions.setdefault(EXTENSION, Exchange(self._deadlines))
        exchange.begin()
        with working_at(exchange):
            response = self._transport.handle_request(request)
        exchange.answer()
        assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101
        response.stream = _TimedBody(response.stream, exchange)
        return response

    def close(self) -> None:
        self._transport.close()


class _TimedBody(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(self._stream)
        while (piece := self._exchange.await_body(pieces)) is not None:
            yield piece

    def close(self) -> None:
        self._stream.close()


class TimedBackend(httpcore.NetworkBackend):
    """Opens connections whose every step is within the deadlines of the exchange under way."""

    def __init__(self, addresses: Callable[[str, int], Iterable[str]]) -> None:
        """`addresses` returns those of a host that may be connected to; it raises OSError for none."""
        self._addresses = addresses
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:

            def connect(seconds: float | None, address: str = address) -> httpcore.NetworkStream:
                return self._backend.connect_tcp(address, port, seconds, *args, **kwargs)

            try:
                return _TimedStream(_timed(connect, timeout))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return _timed(lambda seconds: self._stream.read(max_bytes, seconds), timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            piece, began = buffer[start : start + _PIECE], time.monotonic()
            _timed(partial(self._stream.write, piece), timeout, sending=True)
            if (exchange := _exchange()) is not None:
                exchange.sent(len(piece), time.monotonic() - began)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secure = partial(self._stream.start_tls, ssl_context, server_hostname)
        return _TimedStream(_timed(secure, timeout))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


_LOCAL = threading.local()


def _exchange() -> Exchange | None:
    """Return the exchange that this thread works at."""
    exchange: Exchange | None = getattr(_LOCAL, "exchange", None)
    return exchange


@contextmanager
def working_at(exchange: Exchange) -> Iterator[None]:
    """Let what this thread sends and receives count against an exchange."""
    before = _exchange()
    _LOCAL.exchange = exchange
    try:
        yield
    finally:
        _LOCAL.exchange = before


def _timed(do: Callable[[float | None], T], timeout: float | None, *, sending: bool = False) -> T:
    exchange = _exchange()
    return do(timeout) if exchange is None else exchange.run(do, timeout, sending=sending)
