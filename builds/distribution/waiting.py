"""A pull that waits: the request is answered again when its build has ended.

It holds no thread and no database connection meanwhile: pages stay synchronous, and this is the asynchronous code
around them. What was built is known from the same hub that wakes the viewers of a log.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from builds.live.build_events import hub

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_KEY = "studio.pull"


@dataclass
class _Wait:
    """The build that a request's answer depends on; the view sets it."""

    build_id: uuid.UUID | None = None


def wait_for(request: HttpRequest, build_id: uuid.UUID) -> None:
    """Have the request answered again when the build has ended; if that takes too long, this answer is sent."""
    wait = getattr(request, "scope", {}).get(_KEY)
    if wait is not None:
        wait.build_id = build_id


async def answer_when_built(
    app: Application, scope: MutableMapping[str, Any], receive: Receive, send: Send
) -> None:
    """Have a request answered, and again each time the build that it waits for has ended, until it waits no more.

    After STUDIO_PULL_WAIT_SECONDS, or when the server stops, the last answer is sent. A client that disconnects
    ends it.
    """
    deadline = time.monotonic() + settings.PULL_WAIT_SECONDS
    client = _Client(receive)
    while True:
        wait, held = _Wait(), list[Message]()

        async def hold(message: Message, wait: _Wait = wait, held: list[Message] = held) -> None:
            if wait.build_id is None:
                await send(message)
            else:
                held.append(message)

        client.repeat()
        await app({**scope, _KEY: wait}, client.receive, hold)
        if wait.build_id is None:
            return
        if not await _has_ended(wait.build_id, client, deadline):
            break
    if not client.gone:
        for message in held:
            await send(message)


class _Client:
    """The client's side of a request that is answered several times: its body, which is empty, and its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._requests = 0
        self._pending = False
        self.gone = False

    def repeat(self) -> None:
        """Begin the request, or begin it again."""
        self._pending = self._requests > 0
        self._requests += 1

    async def receive(self) -> Message:
        """Return the next message: the request's body, later only that the client has disconnected."""
        if self._pending:
            self._pending = False
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await self._receive()
        self.gone = self.gone or message["type"] == "http.disconnect"
        return message

    async def disconnected(self) -> None:
        """Return when the client has disconnected."""
        while not self.gone:
            await self.receive()


async def _has_ended(build_id: uuid.UUID, client: _Client, deadline: float) -> bool:
    """Wait for a build's end; return False at the deadline, at the server's stop, and if the client disconnects."""
    async with hub.subscribe(build_id) as subscription:
        gone = asyncio.create_task(client.disconnected())
        try:
            while not subscription.closed and (left := deadline - time.monotonic()) > 0:
                snapshot = subscription.snapshot
                if subscription.deleted or (snapshot is not None and snapshot.ended):
                    return True
                changed = asyncio.create_task(subscription.changed(left))
                await asyncio.wait({changed, gone}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if gone.done():
                    return False
            return False
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
