"""Waking those who watch a build: one look at the database for all of them, ten times a second.

A viewer has a cursor and nothing else: no thread, no connection, no queue that could fill up. A slow viewer
holds nobody up. The revision of a build's row moves with everything that there is to see.
"""

import asyncio
import contextvars
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
AFTER_ERROR_SECONDS = 2.0

Revisions = Callable[[list[uuid.UUID]], Awaitable[dict[uuid.UUID, int]]]


class Watch:
    """One viewer's view of one build: `changed` waits until there is something new, or the server stops."""

    def __init__(self) -> None:
        self.closed = False
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Let the viewer look."""
        self._event.set()

    async def changed(self, timeout: float) -> bool:
        """Wait for a change; return False when none came in time."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout)
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Watchtower:
    """All viewers of this process, and the one task that looks for them while there are any."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self._watches: dict[uuid.UUID, set[Watch]] = {}
        self._known: dict[uuid.UUID, int] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closing = False

    @asynccontextmanager
    async def watching(self, build_id: uuid.UUID) -> AsyncIterator[Watch]:
        """Watch a build. Enter before the first look at it: what moves in between is then seen."""
        watch = Watch()
        watch.closed = self._closing
        self._watches.setdefault(build_id, set()).add(watch)
        if self._looking is None or self._looking.done():
            # In a context of its own: it outlives the request that happened to start it.
            loop = asyncio.get_running_loop()
            self._looking = loop.create_task(self._look(), context=contextvars.Context())
        try:
            yield watch
        finally:
            self._watches[build_id].discard(watch)
            if not self._watches[build_id]:
                del self._watches[build_id]
                self._known.pop(build_id, None)

    def close(self) -> None:
        """End every stream now: the server is stopping."""
        self._closing = True
        for watches in self._watches.values():
            for watch in watches:
                watch.closed = True
                watch.wake()

    def open(self) -> None:
        """Let streams begin again."""
        self._closing = False

    @property
    def watched(self) -> list[uuid.UUID]:
        """The builds that somebody watches now."""
        return list(self._watches)

    async def _look(self) -> None:
        while self._watches and not self._closing:
            try:
                revisions = await self._revisions(list(self._watches))
            except Exception:
                # The database is away: viewers wait, and see everything when it is back.
                log.exception("The builds that are watched cannot be looked at")
                await asyncio.sleep(AFTER_ERROR_SECONDS)
                continue
            for build_id, revision in revisions.items():
                if self._known.get(build_id) != revision and build_id in self._watches:
                    self._known[build_id] = revision
                    for watch in self._watches[build_id]:
                        watch.wake()
            await asyncio.sleep(LOOK_SECONDS)
        await self._revisions([])  # nobody watches any more: what was held for looking can be let go
