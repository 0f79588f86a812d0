"""Servers that misbehave, and requests to a forward proxy byte by byte."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from builds.proxy.forward import ForwardProxy
from environments.network.policy import EgressPolicy

OUTSIDE = EgressPolicy.read(["127.0.0.2"])
"""127.0.0.2 represents all public addresses."""


class Raw:
    """A server that runs a function with each connection, after the head of its request."""

    def __init__(
        self, behave: Callable[[socket.socket], None], host: str = "127.0.0.2", port: int = 0
    ) -> None:
        self._listener = socket.create_server((host, port))
        self._behave = behave
        self._conversations: list[threading.Thread] = []
        self._last_client: tuple[str, int] | None = None
        self.heads: list[bytes] = []
        self.ended = threading.Event()  # a connection has ended
        self.address = f"{host}:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.address}"

    @contextmanager
    def running(self) -> Iterator[Raw]:
        """Serve inside the block. After it, every conversation has ended: their heads are all in `heads`.

        A client may be connected before its connection is accepted: the server ends with a connection of its own,
        behind all of those.
        """
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            with socket.socket() as last, self._listener as listener:
                last.bind(("127.0.0.1", 0))
                self._last_client = last.getsockname()
                last.connect(listener.getsockname())
                thread.join()
            for conversation in self._conversations:
                conversation.join()

    def _accept(self) -> None:
        while True:
            connection, client = self._listener.accept()
            if client == self._last_client:
                connection.close()
                return
            conversation = threading.Thread(target=self._converse, args=(connection,), daemon=True)
            self._conversations.append(conversation)
            conversation.start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(20)
            head = b""
            while not head.endswith(b"\r\n\r\n") and (data := connection.recv(1)):
                head += data
            self.heads.append(head)
            self._behave(connection)
        self.ended.set()


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def endless_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"x" * 4096 + b"\r\n")


def endless_beginnings(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.001)


def dripping(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def echoing(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def talking(*answer: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(b"".join(answer))


def credentials(proxy: ForwardProxy) -> bytes:
    user = proxy.url.partition("://")[2].rpartition("@")[0]
    return b"Proxy-Authorization: Basic " + base64.b64encode(user.encode())


def ask(proxy: ForwardProxy, *lines: str, login: bytes | None = None, seconds: float = 20) -> bytes:
    """Send a request's head, and return everything that comes back."""
    head = [*(line.encode() for line in lines), credentials(proxy) if login is None else login, b"", b""]
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=seconds) as client:
        client.sendall(b"\r\n".join(head))
        answer = b""
        with suppress(ConnectionResetError):
            while data := client.recv(65536):
                answer += data
        return answer


def get(proxy: ForwardProxy, url: str, *headers: str) -> bytes:
    return ask(proxy, f"GET {url} HTTP/1.1", "Host: x", "Connection: close", *headers)


def tunnel(proxy: ForwardProxy, authority: str) -> socket.socket:
    """Return a connection through the proxy that has sent its CONNECT, and nothing else."""
    client = socket.create_connection(("127.0.0.1", proxy.port), timeout=20)
    head = [f"CONNECT {authority} HTTP/1.1".encode(), b"Host: x", credentials(proxy), b"", b""]
    client.sendall(b"\r\n".join(head))
    return client


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])
