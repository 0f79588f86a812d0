"""Publish snapshots of builds to their subscribers: one query for all viewers, whenever a build changes.

A viewer costs a cursor: no thread, no connection, no queue that could fill up, so that a slow viewer delays
nobody. Every visible change moves the revision of the build's row.
"""

import asyncio
import contextvars
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
AFTER_ERROR_SECONDS = 0.5
DELIVERY_SECONDS = 0.0001  # about what it takes to send a change to a viewer

T = TypeVar("T")

# Called with the builds that have changed, or with None if any of them may have.
ChangeCallback = Callable[[Iterable[uuid.UUID] | None], None]
ChangeSource = Callable[[ChangeCallback], Awaitable[None]]


async def poll(notify: ChangeCallback) -> None:
    """Report a change of all builds ten times a second: works with every database."""
    while True:
        notify(None)
        await asyncio.sleep(POLL_SECONDS)


async def keep_running(source: Callable[[Any], Awaitable[None]], notify: Callable[[None], None]) -> None:
    """Run a source of changes until cancelled; restart it if it fails, and report a change of everything meanwhile."""
    while True:
        try:
            await source(notify)
        except Exception:
            log.exception("The source of changes failed; restarting it")
            notify(None)
            await asyncio.sleep(AFTER_ERROR_SECONDS)


class Subscription(Generic[T]):
    """One viewer's subscription to one build: `changed` waits for a new snapshot, or for the server to stop."""

    def __init__(self, snapshot: T | None, *, closed: bool) -> None:
        self.snapshot = snapshot
        self.deleted = False  # whether the build was deleted
        self.closed = closed
        self._event = asyncio.Event()
        if snapshot is not None or closed:
            self._event.set()

    def wake(self) -> None:
        """Make `changed` return."""
        self._event.set()

    async def changed(self, timeout: float) -> bool:
        """Wait for a change; return False after the timeout."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Hub(Generic[T]):
    """All subscriptions of this process, served by one task while there are any.

    `load` takes the last snapshot of each build and returns a snapshot of each that has changed, None if it
    was deleted. `source` reports changes.
    """

    def __init__(
        self,
        load: Callable[[dict[uuid.UUID, T | None]], Awaitable[dict[uuid.UUID, T | None]]],
        source: ChangeSource,
    ) -> None:
        self._load = load
        self._source = source
        self._subscriptions: dict[uuid.UUID, set[Subscription[T]]] = {}
        self._snapshots: dict[uuid.UUID, T] = {}
        self._pending: set[uuid.UUID] = set()
        self._wakeup = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @asynccontextmanager
    async def subscribe(self, build_id: uuid.UUID) -> AsyncIterator[Subscription[T]]:
        """Subscribe to a build, starting from its last snapshot; the first subscriber's is loaded at once."""
        subscription = Subscription(self._snapshots.get(build_id), closed=self._closing)
        self._subscriptions.setdefault(build_id, set()).add(subscription)
        if self._task is None or self._task.done():
            # In a new context: it outlives the request that starts it.
            self._wakeup = asyncio.Event()
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._run(), context=contextvars.Context())
        if subscription.snapshot is None:
            self.notify([build_id])
        try:
            yield subscription
        finally:
            self._subscriptions[build_id].discard(subscription)
            if not self._subscriptions[build_id]:
                del self._subscriptions[build_id]
                self._snapshots.pop(build_id, None)
                self._wakeup.set()  # after the last subscription, the task ends

    def notify(self, builds: Iterable[uuid.UUID] | None) -> None:
        """Load these builds soon; None means all subscribed builds."""
        self._pending.update(
            self._subscriptions
            if builds is None
            else (build for build in builds if build in self._subscriptions)
        )
        if self._pending:
            self._wakeup.set()

    def close(self) -> None:
        """End every stream now: the server is stopping."""
        self._closing = True
        self._wakeup.set()
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.closed = True
                subscription.wake()

    def open(self) -> None:
        """Accept streams again."""
        self._closing = False

    @property
    def build_ids(self) -> list[uuid.UUID]:
        """The builds that have subscribers."""
        return list(self._subscriptions)

    @property
    def viewer_count(self) -> int:
        """The number of open streams."""
        return sum(map(len, self._subscriptions.values()))

    async def _run(self) -> None:
        source = asyncio.create_task(keep_running(self._source, self.notify))
        try:
            while self._subscriptions and not self._closing:
                await self._wakeup.wait()
                self._wakeup.clear()
                wanted, self._pending = self._pending & self._subscriptions.keys(), set()
                if not wanted:
                    continue
                try:
                    snapshots = await self._load({build: self._snapshots.get(build) for build in wanted})
                except Exception:
                    # The database is away: viewers wait, and see everything when it is back.
                    log.exception("Could not load the watched builds")
                    await asyncio.sleep(AFTER_ERROR_SECONDS)
                    self.notify(wanted)
                    continue
                woken = sum(self._publish(build, snapshot) for build, snapshot in snapshots.items())
                # A thousand viewers are served in rounds: a round that begins before the last has ended adds work.
                await asyncio.sleep(min(POLL_SECONDS, woken * DELIVERY_SECONDS))
        finally:
            # From here on this task publishes nothing: a subscriber that comes while it ends starts the next task.
            self._task = None
            source.cancel()
            await asyncio.gather(source, return_exceptions=True)
        await self._load({})  # no subscribers: its resources can be released

    def _publish(self, build: uuid.UUID, snapshot: T | None) -> int:
        """Hand a snapshot to a build's subscribers; return how many were woken."""
        subscriptions = self._subscriptions.get(build, set())
        if subscriptions and snapshot is not None:
            self._snapshots[build] = snapshot
        new = [
            subscription
            for subscription in subscriptions
            if subscription.snapshot is not snapshot or snapshot is None
        ]
        for subscription in new:
            subscription.snapshot, subscription.deleted = snapshot, snapshot is None
            subscription.wake()
        return len(new)
