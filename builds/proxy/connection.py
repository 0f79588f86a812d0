"""Serve one client's connection to a proxy: requests one after the other, or a tunnel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import h11

from builds.proxy.limits import Account, LimitReached
from builds.proxy.messages import (
    HEAD_BYTES,
    Refusal,
    forwarded,
    is_authorized,
    refused,
    returned,
    target_of,
)
from builds.proxy.outgoing import Outgoing, Streams
from builds.proxy.peers import is_own_user
from environments.network.policy import AddressRefused
from environments.network.urls import UnreadableUrl, WebUrl

_LOG = logging.getLogger(__name__)
_CHUNK = 64 << 10
_MOST_INFORMATIONAL = 10


class Connection:
    """One connection of a program. Everything it logs is a method, a host, a port and an outcome."""

    def __init__(self, streams: Streams, credentials: bytes, outgoing: Outgoing, account: Account) -> None:
        self._reader, self._writer = streams
        self._credentials = credentials
        self._outgoing = outgoing
        self._account = account
        self._client = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._idle: asyncio.Timeout | None = None
        self._about = "a request"

    async def serve(self) -> None:
        """Answer requests until the client or a limit ends the connection."""
        limits = self._account.limits
        try:
            async with (
                asyncio.timeout(limits.connection_seconds),
                asyncio.timeout(limits.idle_seconds) as idle,
            ):
                self._idle = idle
                while await self._answer():
                    self._client.start_next_cycle()
        except TimeoutError:
            await self._end(Refusal(504, "The server took too long to answer."))
        except (AddressRefused, UnreadableUrl) as error:
            self._account.remember(error)
            await self._end(Refusal(403, str(error)))
        except Refusal as refusal:
            await self._end(refusal)
        except h11.ProtocolError:
            # h11's own message may quote a header.
            status = 400 if self._client.their_state is h11.ERROR else 502
            await self._end(Refusal(status, "This is no HTTP, or has too many headers."))
        except (LimitReached, OSError) as error:
            await self._end(Refusal(502, str(error)))
        except Exception as error:
            # An error of the account is remembered there, and ends the build.
            if error is not self._account.failure:
                raise
            await self._end(Refusal(502, "The build has reached a limit."))
        finally:
            self._writer.close()

    async def _answer(self) -> bool:
        """Answer the next request; return whether another may follow."""
        request = await self._next_request()
        if request is None:
            return False
        self._check_client(request)
        target = target_of(request)
        self._about = f"{request.method.decode()} {target.host}:{target.port}"
        if request.method == b"CONNECT":
            await self._tunnel(target)
            return False
        await self._forward(request, target)
        return self._client.our_state is h11.DONE and self._client.their_state is h11.DONE

    def _check_client(self, request: h11.Request) -> None:
        """Raise Refusal for a program that the proxy is not for."""
        authorized = is_authorized(request, self._credentials)
        if authorized is None:
            # rattler drops the credentials when a server redirects it to another host.
            ends = (self._writer.get_extra_info(name) for name in ("peername", "sockname"))
            authorized = is_own_user(*ends)
        if not authorized:
            raise Refusal(407, "This proxy is for the programs of a build only.")

    async def _next_request(self) -> h11.Request | None:
        request = None
        while True:
            event = self._client.next_event()
            if event is h11.NEED_DATA:
                self._client.receive_data(await self._received(self._reader))
            elif isinstance(event, h11.Request):
                request = event
                if event.method == b"CONNECT":
                    return request
            elif isinstance(event, h11.EndOfMessage):
                return request
            elif isinstance(event, h11.Data):
                raise Refusal(405, "This proxy answers requests without a body.")
            else:
                return None

    async def _forward(self, request: h11.Request, target: WebUrl) -> None:
        """Send the request on, and its response back, unless the client hangs up."""
        await _first_of(self._exchange(request, target), self._hung_up())

    async def _exchange(self, request: h11.Request, target: WebUrl) -> None:
        (reader, writer), proxy = await self._outgoing.open(target)
        try:
            server = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
            writer.write(server.send(forwarded(request, target, proxy)) or b"")
            writer.write(server.send(h11.EndOfMessage()) or b"")
            status = await self._return_response(server, reader)
        finally:
            writer.close()
        _LOG.debug("%s: %s", self._about, status)

    async def _return_response(self, server: h11.Connection, reader: asyncio.StreamReader) -> int:
        status, informational = 0, 0
        while True:
            event = server.next_event()
            if event is h11.NEED_DATA:
                server.receive_data(await self._received(reader))
            elif isinstance(event, h11.Response):
                status = event.status_code
                await self._send(returned(event))
            elif isinstance(event, h11.Data):
                await self._send(h11.Data(data=bytes(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                await self._send(h11.EndOfMessage())
                return status
            elif isinstance(event, h11.InformationalResponse) and informational < _MOST_INFORMATIONAL:
                informational += 1
            else:
                raise Refusal(502, "The server ended the connection without an answer.")

    async def _hung_up(self) -> None:
        """Return when the client has closed its connection; what it sends belongs to its next request."""
        while data := await self._reader.read(_CHUNK):
            self._client.receive_data(data)
            if len(self._client.trailing_data[0]) > HEAD_BYTES:
                return

    async def _tunnel(self, target: WebUrl) -> None:
        """Let the client and the target exchange bytes until either ends."""
        (reader, writer), sent = await self._outgoing.open_tunnel(target)
        try:
            await self._send(h11.Response(status_code=200, headers=[], reason=b"Connection established"))
            self._writer.write(sent)
            writer.write(self._client.trailing_data[0])
            await _first_of(self._pump(self._reader, writer), self._pump(reader, self._writer))
        finally:
            writer.close()
        _LOG.debug("%s: ended", self._about)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await self._received(reader):
            writer.write(data)
            await writer.drain()

    async def _received(self, reader: asyncio.StreamReader) -> bytes:
        data = await reader.read(_CHUNK)
        self._account.count(len(data))
        if self._idle is not None and not self._idle.expired():
            limit = asyncio.get_running_loop().time() + self._account.limits.idle_seconds
            self._idle.reschedule(limit)
        return data

    async def _send(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        self._writer.write(self._client.send(event) or b"")
        await self._writer.drain()

    async def _end(self, refusal: Refusal) -> None:
        """Send a refusal if nothing was sent yet; otherwise cut the connection, so that nothing looks whole."""
        _LOG.info("%s: %s %s", self._about, refusal.status, refusal.reason)
        if self._client.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self._writer.transport.abort()
            return
        with suppress(OSError, h11.LocalProtocolError, TimeoutError):
            async with asyncio.timeout(self._account.limits.idle_seconds):
                for event in refused(refusal):
                    await self._send(event)
                await self._send(h11.EndOfMessage())


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Run until the first of these ends, raise its error, and cancel the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
