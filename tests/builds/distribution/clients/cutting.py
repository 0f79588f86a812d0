"""A proxy that cuts a download in the middle, once, and notes what is requested after it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_RANGE = re.compile(rb"^range: *bytes=(\d+)-", re.IGNORECASE | re.MULTILINE)
_PIECE = 65536


class CuttingProxy:
    """Passes connections on to a port; the first that has brought so many bytes is broken off."""

    def __init__(self, port: int, cut_after: int) -> None:
        self._port = port
        self._cut_after = cut_after
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.has_cut = False
        self.resumed_at: list[int] = []  # the first bytes of the ranges that clients have requested

    @contextmanager
    def serving(self) -> Iterator[CuttingProxy]:
        """Pass on connections during the block."""
        thread = threading.Thread(target=self._accept)
        thread.start()
        try:
            yield self
        finally:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:  # closed
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            for target, pair in ((self._requests, (near, far)), (self._answers, (far, near))):
                threading.Thread(target=target, args=pair, daemon=True).start()

    def _requests(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(_PIECE):
                self.resumed_at += [int(first) for first in _RANGE.findall(data)]
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _answers(self, far: socket.socket, near: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := far.recv(_PIECE):
                passed += len(data)
                near.sendall(data)
                if passed >= self._cut_after and self._cut():
                    for end in (near, far):
                        end.shutdown(socket.SHUT_RDWR)
                    return
            near.shutdown(socket.SHUT_WR)

    def _cut(self) -> bool:
        """Return whether this is the connection to break off, and count it."""
        with self._lock:
            first, self.has_cut = not self.has_cut, True
            return first
