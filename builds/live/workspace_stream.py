"""A workspace's pages, as they become outdated: server-sent events that name the topics that have changed.

`changes` carries `{"topics": […], "pages": n}`; its id is a position, with which a page that reconnects learns what it
missed. `pages` is how many get the event: they spread their requests.
"""

import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from builds.live.build_events import ACCESS_SECONDS, HEARTBEAT_SECONDS, event, in_thread, session_user
from builds.live.topic_changes import board
from builds.live.topics import TOPICS
from environments.access import Right, get_workspace, may
from environments.models import Workspace


@require_safe
async def changes(request: HttpRequest, workspace: str) -> StreamingHttpResponse:
    """Send the topics of a workspace that change, from the page's position on."""
    user: Any = await request.auser()
    keys = await in_thread(keys_of, user, workspace)
    position = request.headers.get("Last-Event-ID") or request.GET.get("since", "")
    response = StreamingHttpResponse(
        _events(request.session, workspace, keys, position), content_type="text/event-stream"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy forwards each event at once
    return response


def keys_of(user: User | AnonymousUser, name: str) -> dict[str, str]:
    """Return the changes that a person's pages of a workspace are about, with their topics. Raises Http404.

    Pages show the catalogue beside the workspace: its environments, and to reviewers what waits for them.
    """
    workspace = get_workspace(user, name)
    keys = {f"w{workspace.pk} {topic}": topic for topic in TOPICS[:3]} | {f"u{user.pk} notices": "notices"}
    if may(user, Right.REVIEW if workspace.curated else Right.PROPOSE, workspace):
        keys[f"w{workspace.pk} proposals"] = "proposals"
    if not workspace.curated:
        for catalogue in Workspace.objects.filter(curated=True):
            keys |= {f"w{catalogue.pk} {topic}": "environments" for topic in ("environments", "builds")}
            if may(user, Right.REVIEW, catalogue):
                keys[f"w{catalogue.pk} proposals"] = "proposals"
    return keys


async def _events(
    session: SessionBase, workspace: str, keys: Mapping[str, str], position: str
) -> AsyncIterator[bytes]:
    checked_at = time.monotonic()
    async with board.subscribe(keys) as subscription:
        yield b"retry: 1000\n\n"
        while not subscription.closed:
            if time.monotonic() - checked_at >= ACCESS_SECONDS:
                checked_at = time.monotonic()
                current = await in_thread(_current_keys, session, workspace)
                if current is None:
                    return
                if current != subscription.keys:
                    board.change_keys(subscription, current)
                    position = ""  # what the page shows may be others' now
            topics, position = board.topics_since(subscription.keys, position), board.position
            if topics:
                payload = {"topics": topics, "pages": board.page_count}
                yield f"id: {position}\n".encode() + event("changes", json.dumps(payload))
            if not await subscription.changed(HEARTBEAT_SECONDS):
                yield b": still here\n\n"


def _current_keys(session: SessionBase, workspace: str) -> dict[str, str] | None:
    """Return the keys that the session's user has now; None without access."""
    try:
        return keys_of(session_user(session), workspace)
    except Http404:
        return None
