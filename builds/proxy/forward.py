"""A forward proxy on 127.0.0.1 for the programs of one build.

    with ForwardProxy(settings.EGRESS_POLICY) as proxy:
        subprocess.run(["uv", …], env=proxy.environment(os.environ))
    if proxy.failure: …  # AddressRefused, UnreadableUrl, LimitReached, or what `spend` raised

It resolves each name once, checks the addresses, and connects to a checked address. So a program behind it reaches
nothing else by redirects, by names that change their address, or by URLs that it reads in its own way.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Self

from builds.proxy.connection import Connection
from builds.proxy.limits import Account, LimitReached, Limits
from builds.proxy.messages import basic
from builds.proxy.outgoing import Outgoing
from environments.network.policy import EgressPolicy

_LOG = logging.getLogger(__name__)
_USER = "build"
_RESOLVERS = 8
_NAMES = ("http_proxy", "https_proxy", "all_proxy")
# With REQUEST_METHOD, programs take HTTP_PROXY for a header of a CGI request, and connect by themselves.
_FOREIGN = {*_NAMES, "no_proxy", "ftp_proxy", "request_method"}


class ForwardProxy:
    """Use as a context manager: leaving it ends all connections. `spend` is called with the bytes that pass."""

    def __init__(
        self,
        policy: EgressPolicy,
        limits: Limits | None = None,
        spend: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._account = Account(limits or Limits(), spend)
        self._policy = policy
        self._password = secrets.token_urlsafe(24)
        self._connections: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # its time was over
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def failure(self) -> Exception | None:
        """Return the first refusal or limit that the programs ran into."""
        return self._account.failure

    @property
    def bytes(self) -> int:
        """Return how many bytes have passed."""
        return self._account.bytes

    @property
    def url(self) -> str:
        """Return the proxy's URL with its credentials."""
        return f"http://{_USER}:{self._password}@127.0.0.1:{self.port}"

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a program that connects through this proxy only."""
        rest = {name: value for name, value in env.items() if name.lower() not in _FOREIGN}
        ours = dict.fromkeys(_NAMES, self.url)
        return {**rest, **ours, **{name.upper(): url for name, url in ours.items()}}

    def _run(self) -> None:
        resolvers = ThreadPoolExecutor(_RESOLVERS, "resolve")
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve(Outgoing(self._policy, resolvers)))
        finally:
            # A name server that does not answer is not waited for.
            resolvers.shutdown(wait=False, cancel_futures=True)

    async def _serve(self, outgoing: Outgoing) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._converse(reader, writer, outgoing))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        try:
            server = await asyncio.start_server(accept, sock=self._socket)
        finally:
            self._ready.set()
        try:
            async with asyncio.timeout(self._account.limits.seconds):
                await self._stop.wait()
        except TimeoutError:
            self._account.remember(LimitReached("The solver used the network for too long."))
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, outgoing: Outgoing
    ) -> None:
        if len(self._connections) > self._account.limits.connections:
            writer.transport.abort()
            return
        credentials = basic(_USER, self._password)
        try:
            await Connection((reader, writer), credentials, outgoing, self._account).serve()
        except Exception:
            _LOG.exception("A connection to the proxy failed")
