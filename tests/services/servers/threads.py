"""Serve from a thread of the test process."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import TCPServer


@contextmanager
def serving(server: TCPServer) -> Iterator[None]:
    """Answer requests during the block; the port is free again after it."""
    ending, end = socket.socketpair()
    thread = threading.Thread(target=_serve_until, args=(ending, server))
    thread.start()
    try:
        yield
    finally:
        end.close()
        thread.join()
        ending.close()
        server.server_close()


def _serve_until(ending: socket.socket, server: TCPServer) -> None:
    """Wait for requests, where `serve_forever` looks again and again whether it is to end."""
    with selectors.DefaultSelector() as selector:
        selector.register(ending, selectors.EVENT_READ, "ending")
        selector.register(server.fileno(), selectors.EVENT_READ)
        while all(key.data != "ending" for key, _ in selector.select()):
            server.handle_request()
