"""Which topics of a workspace have changed, for the pages that show them: no content, only *that* it changed.

A page costs a subscription: no thread, no connection, no query. The source (`topic_changes`) reports a change
once for all pages of this process. Keys of changes are such as `w12 builds` and `u5 notices`.
"""

import asyncio
import contextvars
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from builds.live.hub import keep_running

GATHER_SECONDS = 0.2  # changes that follow each other wake a page once
LINGER_SECONDS = 60.0  # the source stays after the last page: the next page then knows what it missed

TOPICS = ("builds", "environments", "images", "proposals", "notices")

# Called with the keys that have changed, or with None if any of them may have.
Report = Callable[[Iterable[str] | None], None]
Source = Callable[[Report], Awaitable[None]]


class PageSubscription:
    """One page's subscription: `keys` are the changes it is about, each with its topic."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self.keys = keys
        self.closed = False
        self._event = asyncio.Event()

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


class Board:
    """When each key last changed, and the pages to wake. The position `run.tick` names a moment in its life."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._run = ""  # empty while nothing reports changes
        self._tick = 0
        self._all_changed_at = 0
        self._changed_at: dict[str, int] = {}
        self._subscriptions: dict[str, set[PageSubscription]] = {}
        self._pages: set[PageSubscription] = set()
        self._to_wake: set[PageSubscription] = set()
        self._wakes: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def position(self) -> str:
        """The present moment: a page that is read from now on misses no later change. Any thread may read it."""
        return f"{self._run}.{self._tick}" if self._run else ""

    @property
    def page_count(self) -> int:
        """The number of open pages."""
        return len(self._pages)

    def topics_since(self, keys: Mapping[str, str], position: str) -> list[str]:
        """Return the topics that have changed since a position: all of them, if that is not known."""
        run, _, tick = position.partition(".")
        known = bool(run) and run == self._run and tick.isascii() and tick.isdigit() and len(tick) < 16
        since = int(tick) if known else -1
        if since < self._all_changed_at:
            return sorted(set(keys.values()))
        return sorted({topic for key, topic in keys.items() if self._changed_at.get(key, 0) > since})

    @asynccontextmanager
    async def subscribe(self, keys: Mapping[str, str]) -> AsyncIterator[PageSubscription]:
        """Subscribe a page to these keys."""
        subscription = PageSubscription(keys)
        if self._closing:
            subscription.closed = True
            subscription.wake()
        self._start()
        self._add(subscription)
        try:
            yield subscription
        finally:
            self._remove(subscription)
            if not self._pages:
                asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop_if_idle, self._task)

    def change_keys(self, subscription: PageSubscription, keys: Mapping[str, str]) -> None:
        """Give a subscription other keys: its viewer's rights have changed."""
        self._remove(subscription)
        subscription.keys = keys
        self._add(subscription)

    def report(self, keys: Iterable[str] | None) -> None:
        """Record that these keys have changed, and wake their pages soon; None means all keys."""
        self._tick += 1
        if keys is None:
            self._all_changed_at = self._tick
            self._to_wake |= self._pages
        else:
            for key in keys:
                self._changed_at[key] = self._tick
                self._to_wake |= self._subscriptions.get(key, set())
        if self._to_wake and self._wakes is None:
            self._wakes = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._wake)

    def close(self) -> None:
        """End every stream now: the server is stopping."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
        for subscription in self._pages:
            subscription.closed = True
            subscription.wake()

    def open(self) -> None:
        """Accept streams again."""
        self._closing = False

    def _start(self) -> None:
        if self._task is not None and not self._task.done():
            return
        self._run = secrets.token_hex(4)
        self._wakes = None
        # In a new context: it outlives the request that starts it.
        loop = asyncio.get_running_loop()
        running = keep_running(self._source, self.report)
        self._task = loop.create_task(running, context=contextvars.Context())
        self._task.add_done_callback(self._ended)

    def _stop_if_idle(self, task: "asyncio.Task[None] | None") -> None:
        if not self._pages and task is not None and task is self._task:
            # At once, not when it has ended: a page that subscribes meanwhile starts the next source.
            self._task, self._run = None, ""
            task.cancel()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task is self._task:
            self._run = ""

    def _add(self, subscription: PageSubscription) -> None:
        self._pages.add(subscription)
        for key in subscription.keys:
            self._subscriptions.setdefault(key, set()).add(subscription)

    def _remove(self, subscription: PageSubscription) -> None:
        self._pages.discard(subscription)
        self._to_wake.discard(subscription)
        for key in subscription.keys:
            self._subscriptions[key].discard(subscription)
            if not self._subscriptions[key]:
                del self._subscriptions[key]

    def _wake(self) -> None:
        self._wakes = None
        woken, self._to_wake = self._to_wake, set()
        for subscription in woken:
            subscription.wake()
