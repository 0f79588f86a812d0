"""The server-sent events of a build: one stream for each viewer, from a cursor in the log to the build's end.

`BuildEvents` decides when to send; its subclasses decide what an event contains. The id of an event is the log's
cursor: a client that reconnects with it, in `Last-Event-ID` or `?after=`, resumes there.
"""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse

from builds.live import pg_notify
from builds.live.hub import Hub
from builds.live.snapshots import Snapshot, take_snapshots

HEARTBEAT_SECONDS = 15.0
ACCESS_SECONDS = 60.0  # after a loss of access, the stream ends within this time

# One thread with one database connection takes the snapshots for all viewers.
snapshot_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshots")

hub: Hub[Snapshot] = Hub(
    sync_to_async(take_snapshots, thread_sensitive=False, executor=snapshot_thread), pg_notify.forward_changes
)


class BuildEvents(ABC):
    """The events of one build for one viewer: log and state as they change, until the build ends."""

    def __init__(self, build_id: uuid.UUID, cursor: int) -> None:
        self.build_id = build_id
        self.cursor = cursor
        self._stamp = -1
        self._access_checked_at = time.monotonic()

    @abstractmethod
    async def has_access(self) -> bool:
        """Return whether the viewer may still see the build."""

    @abstractmethod
    async def next_log_event(self) -> bytes:
        """Return the log after the cursor as events, and advance the cursor; return nothing at the log's end."""

    @abstractmethod
    async def state_event(self, snapshot: Snapshot) -> bytes:
        """Return the build's state as events."""

    @abstractmethod
    async def end_event(self, snapshot: Snapshot | None) -> bytes:
        """Return the last event; without a snapshot, the build was deleted."""

    def response(self) -> StreamingHttpResponse:
        """Return the response that streams the events."""
        response = StreamingHttpResponse(self._stream(), content_type="text/event-stream")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # a proxy forwards each event at once
        return response

    async def _stream(self) -> AsyncIterator[bytes]:
        async with hub.subscribe(self.build_id) as subscription:
            yield b"retry: 1000\n\n"
            while True:
                if not await subscription.changed(HEARTBEAT_SECONDS):
                    yield b": still here\n\n"
                if not await self._still_has_access():
                    return
                while (
                    not subscription.closed
                    and (snapshot := subscription.snapshot)
                    and self.cursor < snapshot.cursor
                ):
                    log = await self.next_log_event()
                    if not log:
                        break
                    yield log
                if subscription.closed:
                    return
                if snapshot is not None and snapshot.stamp != self._stamp:
                    self._stamp = snapshot.stamp
                    yield await self.state_event(snapshot)
                if subscription.deleted or (snapshot is not None and snapshot.ended):
                    yield await self.end_event(snapshot)
                    return

    async def _still_has_access(self) -> bool:
        """Check access again once ACCESS_SECONDS have passed."""
        if time.monotonic() - self._access_checked_at < ACCESS_SECONDS:
            return True
        self._access_checked_at = time.monotonic()
        return await self.has_access()


def cursor_of(request: HttpRequest) -> int:
    """Return the log cursor from which a client resumes."""
    cursors = [request.headers.get("Last-Event-ID", ""), request.GET.get("after", "")]
    return max(
        (int(text) for text in cursors if text.isascii() and text.isdigit() and len(text) < 10), default=0
    )


def session_user(session: SessionBase) -> User | AnonymousUser:
    """Return a session's user as it is now: anonymous after a sign-out, a new password or a closed account."""
    request = HttpRequest()
    request.session = type(session)(session.session_key)
    return get_user(request)


def event(name: str, data: str) -> bytes:
    """Return one server-sent event."""
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\n{lines}\n".encode()


async def in_thread(work: Any, *arguments: Any) -> Any:
    """Run work on the database in the request's thread, and close its connection."""
    return await sync_to_async(closing_connection)(work, *arguments)


def closing_connection(work: Any, *arguments: Any) -> Any:
    """Run work on the database and close the thread's connection."""
    try:
        return work(*arguments)
    finally:
        connection.close()
