"""Waking those who watch a build: one look at the database for all of them, whenever a build moves.

A viewer has a cursor and nothing else: no thread, no connection, no queue that could fill up. A slow viewer
holds nobody up. The revision of a build's row moves with everything that there is to see.
"""

import asyncio
import contextvars
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
AFTER_ERROR_SECONDS = 0.5
SERVING_SECONDS = 0.0001  # about what a viewer takes to be sent what is new

S = TypeVar("S")

# Called with the builds that have moved, or with None when any of them may have.
Moved = Callable[[Iterable[uuid.UUID] | None], None]
Bell = Callable[[Moved], Awaitable[None]]


async def look_often(moved: Moved) -> None:
    """Ring for all builds ten times a second: what works with every database."""
    while True:
        moved(None)
        await asyncio.sleep(LOOK_SECONDS)


class Watch(Generic[S]):
    """One viewer's view of one build: `changed` waits until there is something new, or the server stops."""

    def __init__(self, sight: S | None, *, closed: bool) -> None:
        self.sight = sight
        self.gone = False  # there is no such build any more
        self.closed = closed
        self._event = asyncio.Event()
        if sight is not None or closed:
            self._event.set()

    def wake(self) -> None:
        """Let the viewer look."""
        self._event.set()

    async def changed(self, timeout: float) -> bool:
        """Wait for a change; return False when none came in time."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Watchtower(Generic[S]):
    """All viewers of this process, and the one task that looks for them while there are any.

    `look` takes what was last seen of each build and returns what is seen now of those that have changed,
    None for a build that is not there. `bell` says when to look.
    """

    def __init__(
        self, look: Callable[[dict[uuid.UUID, S | None]], Awaitable[dict[uuid.UUID, S | None]]], bell: Bell
    ) -> None:
        self._look = look
        self._bell = bell
        self._watches: dict[uuid.UUID, set[Watch[S]]] = {}
        self._seen: dict[uuid.UUID, S] = {}
        self._moved: set[uuid.UUID] = set()
        self._stirred = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._closing = False

    @asynccontextmanager
    async def watching(self, build_id: uuid.UUID) -> AsyncIterator[Watch[S]]:
        """Watch a build from what was last seen of it; when nobody has yet, the first change brings it."""
        watch = Watch(self._seen.get(build_id), closed=self._closing)
        self._watches.setdefault(build_id, set()).add(watch)
        if self._watching is None or self._watching.done():
            # In a context of its own: it outlives the request that happened to start it.
            self._stirred = asyncio.Event()
            loop = asyncio.get_running_loop()
            self._watching = loop.create_task(self._keep_watch(), context=contextvars.Context())
        if watch.sight is None:
            self.moved([build_id])
        try:
            yield watch
        finally:
            self._watches[build_id].discard(watch)
            if not self._watches[build_id]:
                del self._watches[build_id]
                self._seen.pop(build_id, None)
                self._stirred.set()  # if it was the last one, the task ends

    def moved(self, builds: Iterable[uuid.UUID] | None) -> None:
        """Look at these builds soon, or at all that are watched."""
        self._moved.update(
            self._watches if builds is None else (one for one in builds if one in self._watches)
        )
        if self._moved:
            self._stirred.set()

    def close(self) -> None:
        """End every stream now: the server is stopping."""
        self._closing = True
        self._stirred.set()
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

    @property
    def viewers(self) -> int:
        """How many streams are open."""
        return sum(map(len, self._watches.values()))

    async def _keep_watch(self) -> None:
        bell = asyncio.create_task(self._ring())
        try:
            while self._watches and not self._closing:
                await self._stirred.wait()
                self._stirred.clear()
                wanted, self._moved = self._moved & self._watches.keys(), set()
                if not wanted:
                    continue
                try:
                    seen = await self._look({build: self._seen.get(build) for build in wanted})
                except Exception:
                    # The database is away: viewers wait, and see everything when it is back.
                    log.exception("The builds that are watched cannot be looked at")
                    await asyncio.sleep(AFTER_ERROR_SECONDS)
                    self.moved(wanted)
                    continue
                woken = sum(self._show(build, sight) for build, sight in seen.items())
                # A thousand viewers are served in rounds: one that began before the last is over only adds work.
                await asyncio.sleep(min(LOOK_SECONDS, woken * SERVING_SECONDS))
        finally:
            bell.cancel()
            await asyncio.gather(bell, return_exceptions=True)
        await self._look({})  # nobody watches any more: what was held for looking can be let go

    async def _ring(self) -> None:
        """Let the bell ring for ever. Should it break, viewers are served all the same, and the log tells."""
        while True:
            try:
                await self._bell(self.moved)
            except Exception:
                log.exception("What tells of changes broke; it is started again")
                self.moved(None)
                await asyncio.sleep(AFTER_ERROR_SECONDS)

    def _show(self, build: uuid.UUID, sight: S | None) -> int:
        """Wake those who watch a build; return how many."""
        watches = self._watches.get(build, set())
        if watches and sight is not None:
            self._seen[build] = sight
        new = [watch for watch in watches if watch.sight is not sight or sight is None]
        for watch in new:
            watch.sight, watch.gone = sight, sight is None
            watch.wake()
        return len(new)
