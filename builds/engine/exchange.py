"""A request to the engine that can be cancelled at any moment, also while the engine is silent."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import requests
import urllib3
from docker import APIClient

from builds.imaging.reporting import ImageError, Reporter, short_reason

POLL_SECONDS = 0.2
PIECE = 1024 * 1024
_WAITING = 8
_END = object()


class Exchange:
    """A request whose answer arrives in its own thread; the reader polls it five times a second.

    Leaving the block hangs up: the engine then stops what it does for this request.
    """

    def __init__(
        self,
        api: APIClient,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | Iterable[bytes] | None = None,
        content_type: str = "",
    ) -> None:
        self._api = api
        self._arguments: dict[str, Any] = {
            "method": method,
            "url": f"{api.base_url}/v{api.api_version}{path}",
            "params": dict(params or {}),
            "data": data if data is None or isinstance(data, bytes) else self._sent(data),
            "headers": {"Content-Type": content_type} if content_type else {},
            "stream": True,
            "timeout": None,  # a step may be silent for as long as it likes
        }
        self._received: queue.Queue[object] = queue.Queue(_WAITING)
        self._left = threading.Event()
        self._response: requests.Response | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._receive, name=f"engine {path}", daemon=True)

    def __enter__(self) -> Exchange:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._left.set()
            self._hang_up()
        # An engine that does not even answer is not waited for: the thread ends when its socket does.
        self._thread.join(1)

    def pieces(self, reporter: Reporter) -> Iterator[bytes]:
        """Yield the answer as it arrives. Raises Cancelled within a moment, ImageError on failure."""
        while True:
            try:
                piece = self._received.get(timeout=POLL_SECONDS)
            except queue.Empty:
                reporter.check()
                continue
            reporter.check()
            if piece is _END:
                return
            if isinstance(piece, BaseException):
                raise piece
            yield cast(bytes, piece)

    def events(self, reporter: Reporter) -> Iterator[dict[str, Any]]:
        """Yield the answer's JSON documents, one a line."""
        rest = b""
        for piece in self.pieces(reporter):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.strip():
                    yield json.loads(line)
        if rest.strip():
            yield json.loads(rest)

    # In the thread

    def _receive(self) -> None:
        try:
            with self._lock:
                if self._left.is_set():
                    return
            response = self._api.request(**self._arguments)
            with self._lock:
                self._response = response
                if self._left.is_set():
                    self._hang_up()
            if response.status_code >= 400:
                self._put(_refused(response))
                return
            for piece in response.iter_content(None):
                if not self._put(piece):
                    return
            self._put(_END)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._put(lost(error))
        except BaseException as error:
            self._put(error)
        finally:
            if self._response is not None:
                self._response.close()

    def _put(self, item: object) -> bool:
        """Hand something over, unless nobody listens any more."""
        while not self._left.is_set():
            try:
                self._received.put(item, timeout=POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def _sent(self, data: Iterable[bytes]) -> Iterator[bytes]:
        for piece in data:
            if self._left.is_set():
                raise ConnectionAbortedError("no build waits for this")
            yield piece

    def _hang_up(self) -> None:
        if self._response is not None:
            try:
                self._response.raw.shutdown()
            except (ValueError, RuntimeError, OSError):
                return  # it had ended by itself


class EngineRefused(Exception):
    """The engine answered with an error: its status and its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def lost(error: BaseException) -> ImageError:
    """Return what a broken connection means for the build."""
    return ImageError(
        "engine-lost",
        f"The Docker Engine hung up in the middle of its work ({short_reason(error)}).",
        "See whether it was stopped or ran out of memory, and build again.",
        fault="studio",
        detail=error,
    )


def _refused(response: requests.Response) -> EngineRefused:
    try:
        message = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        message = response.text.strip()[:1000] or f"status {response.status_code}"
    return EngineRefused(response.status_code, message)
