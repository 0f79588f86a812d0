"""A build's page as it happens: its state, its steps and its log, by server-sent events.

Events: `state`, `steps` and `log` carry HTML, `end` says that nothing more comes. The id of an event is the
log's cursor: whoever comes back with it, in `Last-Event-ID` or `?after=`, goes on from there.
"""

import asyncio
import contextvars
import time
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.db import connection
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.utils import translation
from django.views.decorators.http import require_safe

from builds import listening
from builds.live import Watchtower
from builds.news import saw_the_end
from builds.pages import get_build, has_asked, may_here
from builds.sights import TOKEN, Piece, Rights, Sight, look, pieces, read_pieces, state_html, steps_html

HEARTBEAT_SECONDS = 15.0
ACCESS_SECONDS = 60.0  # who lost the right to see a build sees no more of it after that long

# Who looks for everybody, and who reads for those who come late: a thread and a database connection each.
_lookout = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lookout")
_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")

watchtower: Watchtower[Sight] = Watchtower(
    sync_to_async(look, thread_sensitive=False, executor=_lookout), listening.ring
)
# What is being made just now, for everybody who wants it.
_making: dict[Any, asyncio.Task[Any]] = {}


@dataclass
class Viewer:
    """For whom the events are made, what they may do, and how far they have seen."""

    session: SessionBase
    user: User
    workspace: str
    build: uuid.UUID
    may: frozenset[str]
    host: str
    language: str
    token: str
    cursor: int
    stamp: int = -1
    checked: float = 0.0

    def rights(self, sight: Sight) -> Rights:
        """Return what the shared HTML depends on."""
        return self.may, has_asked(sight.facts, self.user.pk), self.host, self.language


@require_safe
async def stream(request: HttpRequest, workspace: str, build: uuid.UUID) -> StreamingHttpResponse:
    """Send a build's page as it changes, from the cursor that the viewer has."""
    user: Any = await request.auser()
    may = await in_thread(_access, user, workspace, build)
    # The token is made here: the forms in the events must work with the cookie that the page has.
    token, language = get_token(request), translation.get_language() or settings.LANGUAGE_CODE
    host, cursor = request.get_host(), cursor_of(request)
    viewer = Viewer(request.session, user, workspace, build, may, host, language, token, cursor)
    viewer.checked = time.monotonic()
    response = StreamingHttpResponse(_events(viewer), content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy passes each event on at once
    return response


def _access(user: User, workspace: str, build: uuid.UUID) -> frozenset[str]:
    """Return the rights that a person has where the build is; 404 when they may not even see it."""
    return may_here(get_build(user, workspace, build), user)


def person_of(session: SessionBase) -> User | AnonymousUser:
    """Return whose session it is now: nobody's after a sign-out, with another password, or a closed account."""
    request = HttpRequest()
    request.session = type(session)(session.session_key)
    return get_user(request)


def _access_again(viewer: Viewer) -> frozenset[str]:
    """Return the viewer's rights as they are now; 404 where there are none."""
    return _access(person_of(viewer.session), viewer.workspace, viewer.build)  # type: ignore[arg-type]


def cursor_of(request: HttpRequest) -> int:
    """Return how far in the log a viewer is who comes back."""
    given = [request.headers.get("Last-Event-ID", ""), request.GET.get("after", "")]
    return max(
        (int(text) for text in given if text.isascii() and text.isdigit() and len(text) < 10), default=0
    )


async def _events(viewer: Viewer) -> AsyncIterator[bytes]:
    async with watchtower.watching(viewer.build) as watch:
        yield b"retry: 1000\n\n"
        while True:
            if not await watch.changed(HEARTBEAT_SECONDS):
                yield b": still here\n\n"
            if not await _may_still_see(viewer):
                return
            while not watch.closed and (sight := watch.sight) and viewer.cursor < sight.cursor:
                found = await _behind(viewer)
                if not found:
                    break  # no more of the log is there than this
                viewer.cursor = found[-1].cursor
                yield log_event(found)
            if watch.closed:
                return
            if sight is not None and sight.stamp != viewer.stamp:
                viewer.stamp = sight.stamp
                steps = await _steps(sight, viewer.language)
                yield event("steps", steps) + event("state", await _state(sight, viewer))
            if sight is not None and sight.ended and has_asked(sight.facts, viewer.user.pk):
                await in_thread(saw_the_end, viewer.user, viewer.build)
            if watch.gone or (sight is not None and sight.ended):
                yield event("end", "")
                return


async def _may_still_see(viewer: Viewer) -> bool:
    """Ask once a minute whether the viewer may still see the build, and what they may do with it."""
    if time.monotonic() - viewer.checked < ACCESS_SECONDS:
        return True
    viewer.checked = time.monotonic()
    try:
        viewer.may = await in_thread(_access_again, viewer)
    except Http404:
        return False
    return True


async def _behind(viewer: Viewer) -> list[Piece]:
    """Return the next pieces of the log for a viewer: those at hand, else read for all who are at this place."""
    at_hand = pieces.run(viewer.build, viewer.cursor)
    if at_hand:
        return at_hand
    place = (viewer.build, viewer.cursor)
    read: list[Piece] = await _once(place, _reader, _let_go, read_pieces, *place)
    return read


async def _steps(sight: Sight, language: str) -> str:
    """Return the build's steps as HTML."""
    html = sight.steps.get(language)
    if html is None:
        html = await _once((id(sight.steps), language), _lookout, steps_html, sight, language)
    return html


async def _state(sight: Sight, viewer: Viewer) -> str:
    """Return the build's state as HTML, with the viewer's own token in its forms."""
    rights = viewer.rights(sight)
    html = sight.states.get(rights)
    if html is None:
        html = await _once((id(sight.states), rights), _lookout, state_html, sight, rights)
    return html.replace(TOKEN, viewer.token)


async def _once(key: Any, executor: ThreadPoolExecutor, work: Any, *arguments: Any) -> Any:
    """Do work in a thread, once for all who want the same at this moment."""
    task = _making.get(key)
    if task is None:
        making = sync_to_async(work, thread_sensitive=False, executor=executor)(*arguments)
        # In a context of its own: whoever asked first may leave before the others have it.
        loop = asyncio.get_running_loop()
        task = _making[key] = loop.create_task(making, context=contextvars.Context())
        task.add_done_callback(lambda _: _making.pop(key, None))
    return await asyncio.shield(task)


def log_event(found: list[Piece]) -> bytes:
    """Return pieces of a log as one event."""
    return b"id: %d\nevent: log\ndata: %s\n\n" % (found[-1].cursor, b"".join(piece.html for piece in found))


def event(name: str, data: str) -> bytes:
    """Return one server-sent event."""
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\n{lines}\n".encode()


async def in_thread(work: Any, *arguments: Any) -> Any:
    """Run work on the database in the request's thread, and hold no connection afterwards."""
    return await sync_to_async(_let_go)(work, *arguments)


def _let_go(work: Any, *arguments: Any) -> Any:
    try:
        return work(*arguments)
    finally:
        connection.close()
