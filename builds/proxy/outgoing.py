"""Open connections to checked addresses, directly or through the operator's proxy."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from urllib.parse import urlsplit

import h11

from builds.proxy.messages import HEAD_BYTES, Refusal, connect
from environments.network.look_up import resolve_host
from environments.network.policy import EgressPolicy
from environments.network.upstream import upstream_proxy
from environments.network.urls import WebUrl

CONNECT_SECONDS = 10.0
_CHUNK = 64 << 10
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Outgoing:
    """Connects to what the policy allows. A name is resolved once, and the checked address connected to."""

    def __init__(self, policy: EgressPolicy, resolvers: Executor) -> None:
        self._policy = policy
        self._resolvers = resolvers

    async def open(self, target: WebUrl) -> tuple[Streams, str | None]:
        """Return a connection to the target, or to the operator's proxy, and that proxy's URL.

        Raises AddressRefused, or Refusal if there is no connection.
        """
        proxy = upstream_proxy(target.scheme, f"{target.host}:{target.port}")
        try:
            addresses = await self._resolved(self._policy.addresses, target.host, target.port)
        except OSError as error:
            if proxy is None:
                raise Refusal(502, f"{target.host} is unknown: {error.strerror or error}.") from error
        if proxy is None:
            return await _open_any(target.host, addresses, target.port), None
        # The proxy's answer for a name that does not resolve here, and its connection: it is the operator's.
        return await self._open_proxy(proxy), proxy

    async def open_tunnel(self, target: WebUrl) -> tuple[Streams, bytes]:
        """Return a connection to the target, and the bytes that it has sent already."""
        streams, proxy = await self.open(target)
        if proxy is None:
            return streams, b""
        try:
            return streams, await _tunnel(streams, target, proxy)
        except BaseException:
            streams[1].close()
            raise

    async def _open_proxy(self, proxy: str) -> Streams:
        parts = urlsplit(proxy)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refusal(502, f"The studio's proxy cannot be used: {parts.scheme}:// is not supported.")
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        try:
            addresses = await self._resolved(resolve_host, parts.hostname, port)
        except OSError as error:
            raise Refusal(502, f"The studio's proxy is unknown: {error.strerror or error}.") from error
        return await _open_any(parts.hostname, addresses, port, secure=secure)

    async def _resolved(self, look_up: Callable[[str, int], list[str]], host: str, port: int) -> list[str]:
        return await asyncio.get_running_loop().run_in_executor(self._resolvers, look_up, host, port)


async def _open_any(host: str, addresses: list[str], port: int, *, secure: bool = False) -> Streams:
    failure = "it has no address"
    context = ssl.create_default_context() if secure else None
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=host if secure else None
                )
        except TimeoutError:
            failure = "it does not answer"
        except OSError as error:
            failure = error.strerror or str(error)
    raise Refusal(502, f"{host}:{port} is not reached: {failure}.")


async def _tunnel(streams: Streams, target: WebUrl, proxy: str) -> bytes:
    """Have the operator's proxy connect to the target; return what the target has sent already."""
    reader, writer = streams
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    writer.write(connection.send(connect(target, proxy)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            if not 200 <= event.status_code < 300:
                raise Refusal(502, f"The studio's proxy does not connect to it ({event.status_code}).")
            return connection.trailing_data[0]
        elif not isinstance(event, h11.InformationalResponse):
            raise Refusal(502, "The studio's proxy ended the connection.")
