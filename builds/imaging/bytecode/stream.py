"""In a confined process: the connection to compilers in a container, which another process has opened."""

from __future__ import annotations

import socket
import threading
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from builds.confinement.forking import INHERITED
from builds.imaging.bytecode.compile_worker import LENGTH, answered, unframed
from builds.imaging.reporting import ImageError

MOST_BYTES = 512 * 1024**2
"""Most bytes of the bytecode of a batch."""

_Answer = Future[list[tuple[bytes | None, list[str]]]]


class Stream:
    """Sends batches to the other end, which compiles several at a time and answers them in order.

    The other end is anybody's program. What it answers is bytes, and at most `MOST_BYTES`.
    """

    def __init__(self, descriptor: int = INHERITED) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._pending: deque[tuple[_Answer, int]] = deque()
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._ended = False
        threading.Thread(target=self._receive, name="compilers", daemon=True).start()

    def compile(self, question: bytes, count: int) -> _Answer:
        """Send a batch of so many sources; the future gives bytecode and imports in order."""
        answer: _Answer = Future()
        with self._sending:
            with self._lock:
                if self._ended:
                    answer.set_exception(_lost())
                    return answer
                self._pending.append((answer, count))
            with suppress(OSError):  # the receiver sees the end, and says so
                self._socket.sendall(question)
        return answer

    def close(self) -> None:
        """End the connection, and with it the compilers; answers that are missing become errors."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> None:
        with suppress(OSError, ValueError, IndexError, MemoryError):
            while True:
                compiled = answered(unframed(self._exactly(self._size())))
                with self._lock:
                    answer, count = self._pending.popleft()
                if len(compiled) != count:
                    answer.set_exception(_lost())
                    break
                with suppress(InvalidStateError):  # nobody waits for it any more
                    answer.set_result(compiled)
        with self._lock:
            self._ended = True
            pending, self._pending = self._pending, deque()
        for answer, _ in pending:
            if not answer.cancelled():
                answer.set_exception(_lost())
        self._socket.close()

    def _size(self) -> int:
        size = int(LENGTH.unpack(self._exactly(LENGTH.size))[0])
        if not 0 <= size <= MOST_BYTES:
            raise ValueError("an answer is too large")
        return size

    def _exactly(self, size: int) -> bytes:
        body = bytearray()
        while len(body) < size:
            piece = self._socket.recv(min(size - len(body), 1 << 20))
            if not piece:
                raise OSError("the connection has ended")
            body += piece
        return bytes(body)


def _lost() -> ImageError:
    return ImageError(
        "packing-failed",
        "The base image's Python, which compiles in a container, ended before it was done.",
        "Build again. If it happens again, have Python of that version installed where workers run.",
        fault="studio",
    )
