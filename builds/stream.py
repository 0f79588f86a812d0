"""A build's page as it happens: its state, its steps and its log, by server-sent events.

Events: `state`, `steps` and `log` carry HTML, `end` says that nothing more comes. The id of an event is the
log's cursor: whoever comes back with it, in `Last-Event-ID` or `?after=`, goes on from there.
"""

import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from builds.live import Watchtower
from builds.logs import read_log
from builds.models import Build, LogChunk
from builds.pages import build_context, builds_for_page, get_build
from builds.terminal import chunks_html

HEARTBEAT_SECONDS = 15.0
CHUNKS_AT_ONCE = 50

# The one who looks for everybody has a thread, and so a database connection, of its own.
_lookout = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lookout")


def _revisions(builds: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    if not builds:
        connection.close()
        return {}
    try:
        return dict(Build.objects.filter(pk__in=builds).values_list("pk", "revision"))
    except Exception:
        connection.close()  # the next look begins with a new one
        raise


watchtower = Watchtower(sync_to_async(_revisions, thread_sensitive=False, executor=_lookout))


@dataclass(frozen=True)
class Seen:
    """What a viewer has: the cursor in the log, the name of the step there, and the revision of the build."""

    cursor: int
    step: str = ""
    revision: int = -1


@dataclass(frozen=True)
class Look:
    """What one look brought: events, what the viewer has then, whether there is more now or never again."""

    events: bytes
    seen: Seen
    behind: bool = False
    ended: bool = False


@dataclass(frozen=True)
class Viewer:
    """For whom the HTML in the events is made."""

    user: User
    host: str
    token: str


@require_safe
async def stream(request: HttpRequest, workspace: str, build: uuid.UUID) -> StreamingHttpResponse:
    """Send a build's page as it changes, from the cursor that the viewer has."""
    user = await request.auser()
    found = await _in_thread(get_build, user, workspace, build)
    # The token is made here: the forms in the events must work with the cookie that the page has.
    viewer = Viewer(cast(User, user), request.get_host(), get_token(request))
    events = _events(found.pk, viewer, Seen(_cursor(request)))
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy passes each event on at once
    return response


def _cursor(request: HttpRequest) -> int:
    given = [request.headers.get("Last-Event-ID", ""), request.GET.get("after", "")]
    return max(
        (int(text) for text in given if text.isascii() and text.isdigit() and len(text) < 10), default=0
    )


async def _events(build_id: uuid.UUID, viewer: Viewer, seen: Seen) -> AsyncIterator[bytes]:
    async with watchtower.watching(build_id) as watch:
        yield b"retry: 1000\n\n"
        while not watch.closed:
            look = await _in_thread(look_at, build_id, viewer, seen)
            seen = look.seen
            if look.events:
                yield look.events
            if look.ended:
                yield event("end", "")
                return
            while not look.behind and not watch.closed and not await watch.changed(HEARTBEAT_SECONDS):
                yield b": still here\n\n"


def look_at(build_id: uuid.UUID, viewer: Viewer, seen: Seen) -> Look:
    """Return what is new in a build since `seen`."""
    build = builds_for_page().filter(pk=build_id).first()
    if build is None:
        return Look(b"", seen, ended=True)
    # The row was read before the log: an end that is seen here has its whole log behind it.
    events = b""
    if build.log_seq > seen.cursor:
        step = seen.step or step_before(build_id, seen.cursor)
        page = read_log(build_id, seen.cursor, CHUNKS_AT_ONCE)
        if page.chunks:
            events = event("log", chunks_html(page.chunks, step), page.cursor)
            seen = Seen(page.cursor, page.chunks[-1].step or step, seen.revision)
            if page.cursor < build.log_seq:
                return Look(events, seen, behind=True)
    if build.revision != seen.revision:
        context = build_context(build, viewer.user, viewer.host) | {"csrf_token": viewer.token}
        for name in ("steps", "state"):
            events += event(name, render_to_string(f"builds/_{name}.html", context))
    return Look(events, Seen(seen.cursor, seen.step, build.revision), ended=not build.active)


def step_before(build_id: uuid.UUID, cursor: int) -> str:
    """Return the step that the log was in at the cursor."""
    chunks = LogChunk.objects.filter(build_id=build_id, seq__lte=cursor).exclude(step="")
    return chunks.order_by("-seq").values_list("step", flat=True).first() or ""


def event(name: str, data: str, cursor: int | None = None) -> bytes:
    """Return one server-sent event."""
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return (f"id: {cursor}\n" if cursor is not None else "").encode() + f"event: {name}\n{lines}\n".encode()


async def _in_thread(work: Any, *arguments: Any) -> Any:
    """Run work on the database in a thread, and hold no connection afterwards."""

    def run() -> Any:
        try:
            return work(*arguments)
        finally:
            connection.close()

    return await sync_to_async(run)()
