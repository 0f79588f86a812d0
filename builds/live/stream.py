"""A build's page as it changes, by server-sent events.

`state`, `steps` and `log` events carry HTML; `end` is the last event.
"""

import asyncio
import contextvars
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.utils import translation
from django.views.decorators.http import require_safe

from builds.live.build_events import (
    BuildEvents,
    closing_connection,
    cursor_of,
    event,
    in_thread,
    session_user,
    snapshot_thread,
)
from builds.live.snapshots import (
    CSRF_PLACEHOLDER,
    LogFragment,
    Rights,
    Snapshot,
    fragments,
    read_fragments,
    state_html,
    steps_html,
)
from builds.pages.build_page import get_build, is_requester, right_names
from builds.pages.finished import mark_seen
from environments.public_url import public_host

# One thread with one database connection reads the log for viewers who are behind.
_log_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")
# Work in progress, shared by all viewers who need its result.
_in_progress: dict[Any, asyncio.Task[Any]] = {}


@dataclass
class Viewer:
    """The person at the page: their rights there, and what their HTML depends on."""

    session: SessionBase
    user: User
    workspace: str
    may: frozenset[str]
    host: str
    language: str
    csrf_token: str

    def rights(self, snapshot: Snapshot) -> Rights:
        """Return what the shared HTML depends on."""
        return self.may, is_requester(snapshot.facts, self.user.pk), self.host, self.language


@require_safe
async def stream(request: HttpRequest, workspace: str, build: uuid.UUID) -> StreamingHttpResponse:
    """Send a build's page as it changes, from the viewer's cursor."""
    user: Any = await request.auser()
    may = await in_thread(_rights_or_404, user, workspace, build)
    # The token is made here: the forms in the events must work with the page's cookie.
    token, language = get_token(request), translation.get_language() or settings.LANGUAGE_CODE
    viewer = Viewer(request.session, user, workspace, may, public_host(request), language, token)
    return PageEvents(build, cursor_of(request), viewer).response()


class PageEvents(BuildEvents):
    """The events of a build's page, as HTML."""

    def __init__(self, build_id: uuid.UUID, cursor: int, viewer: Viewer) -> None:
        super().__init__(build_id, cursor)
        self._viewer = viewer

    async def has_access(self) -> bool:
        """Read the viewer's rights again; return whether they may still see the build."""
        try:
            self._viewer.may = await in_thread(_current_rights, self._viewer, self.build_id)
        except Http404:
            return False
        return True

    async def next_log_event(self) -> bytes:
        """Return the next fragments of the log: from the cache, or read for all viewers at this cursor."""
        key = (self.build_id, self.cursor)
        log: list[LogFragment] = fragments.contiguous(*key)
        if not log:
            log = await _share(key, _log_thread, closing_connection, read_fragments, *key)
        if not log:
            return b""
        self.cursor = log[-1].cursor
        return b"id: %d\nevent: log\ndata: %s\n\n" % (self.cursor, b"".join(part.html for part in log))

    async def state_event(self, snapshot: Snapshot) -> bytes:
        """Return the steps and the state, with the viewer's own CSRF token in its forms."""
        language, rights = self._viewer.language, self._viewer.rights(snapshot)
        steps = snapshot.steps.get(language)
        if steps is None:
            key = (id(snapshot.steps), language)
            steps = await _share(key, snapshot_thread, steps_html, snapshot, language)
        state = snapshot.states.get(rights)
        if state is None:
            state = await _share((id(snapshot.states), rights), snapshot_thread, state_html, snapshot, rights)
        state = state.replace(CSRF_PLACEHOLDER, self._viewer.csrf_token)
        return event("steps", steps) + event("state", state)

    async def end_event(self, snapshot: Snapshot | None) -> bytes:
        """Return the last event; its viewer, having requested the build, has then seen its end."""
        if snapshot is not None and is_requester(snapshot.facts, self._viewer.user.pk):
            await in_thread(mark_seen, self._viewer.user, self._viewer.workspace, self.build_id)
        return event("end", "")


def _rights_or_404(user: User, workspace: str, build: uuid.UUID) -> frozenset[str]:
    """Return a person's rights on a build. Raises Http404 if they may not see it."""
    return right_names(get_build(user, workspace, build), user)


def _current_rights(viewer: Viewer, build: uuid.UUID) -> frozenset[str]:
    """Return the viewer's rights as they are now. Raises Http404 if there are none."""
    return _rights_or_404(session_user(viewer.session), viewer.workspace, build)  # type: ignore[arg-type]


async def _share(key: Any, executor: ThreadPoolExecutor, work: Any, *arguments: Any) -> Any:
    """Run work in a thread, once for all callers that need the same result at the same time."""
    task = _in_progress.get(key)
    if task is None:
        running = sync_to_async(work, thread_sensitive=False, executor=executor)(*arguments)
        # In a new context: the first caller may leave before the others have the result.
        loop = asyncio.get_running_loop()
        task = _in_progress[key] = loop.create_task(running, context=contextvars.Context())
        task.add_done_callback(lambda _: _in_progress.pop(key, None))
    return await asyncio.shield(task)
