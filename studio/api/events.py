"""A build as it changes, for programs: server-sent events whose data are JSON.

`build` is the build as the API represents it, `log` a run of lines, `end` the last event.
"""

import json
import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from rest_framework.utils.encoders import JSONEncoder

from builds.live.build_events import BuildEvents, cursor_of, event, in_thread, session_user
from builds.live.snapshots import CHUNKS_AT_ONCE, Snapshot
from builds.logs import read_log
from builds.models import LogChunk
from builds.pages.build_page import builds_for_page, get_build
from environments.access import user_for_token
from environments.models import Scope
from environments.workspaces.tokens import find_token
from studio.api.http.answers import shaped
from studio.api.http.authentication import NOT_A_TOKEN, ONLY_PULLS, bearer
from studio.api.shapes import rows


@require_safe
async def stream(request: HttpRequest, workspace: str, build: uuid.UUID) -> HttpResponseBase:
    """Send a build's changes and its log as they happen, from the caller's cursor."""
    try:
        user = await _user(request)
        await in_thread(get_build, user, workspace, build)
    except _NotSignedIn as problem:
        return JsonResponse(
            shaped("not-authenticated", str(problem)),
            status=401,
            headers={"WWW-Authenticate": 'Bearer realm="studio"'},
        )
    except Http404 as problem:
        return JsonResponse(shaped("not-found", str(problem)), status=404)
    except PermissionDenied as problem:
        return JsonResponse(shaped("forbidden", str(problem)), status=403)
    return ApiEvents(request, workspace, build).response()


class _NotSignedIn(Exception):
    """The request has no valid session or token."""


async def _user(request: HttpRequest) -> Any:
    secret = bearer(request)
    if secret is None:
        user = await in_thread(session_user, request.session)  # read again at each call
        if not user.is_authenticated:
            raise _NotSignedIn("Sign in, or send an access token: Authorization: Bearer …")
        return user
    token = await in_thread(find_token, secret)
    if token is None:
        raise _NotSignedIn(NOT_A_TOKEN)
    if token.scope < Scope.READ:
        raise PermissionDenied(ONLY_PULLS)
    return user_for_token(token)


class ApiEvents(BuildEvents):
    """The events of a build, as JSON."""

    def __init__(self, request: HttpRequest, workspace: str, build_id: uuid.UUID) -> None:
        super().__init__(build_id, cursor_of(request))
        self._request = request
        self._workspace = workspace

    async def has_access(self) -> bool:
        """Return whether the token, the session and the role are still valid."""
        try:
            await in_thread(get_build, await _user(self._request), self._workspace, self.build_id)
        except (_NotSignedIn, Http404, PermissionDenied):
            return False
        return True

    async def next_log_event(self) -> bytes:
        """Return the next chunks of the log, an event each."""
        chunks: tuple[LogChunk, ...] = await in_thread(_chunks_after, self.build_id, self.cursor)
        if chunks:
            self.cursor = chunks[-1].seq
        return b"".join(_log_event(chunk) for chunk in chunks)

    async def state_event(self, snapshot: Snapshot) -> bytes:
        """Return the build as the API represents it."""
        return event("build", _json(await in_thread(_build_as_json, self.build_id)))

    async def end_event(self, snapshot: Snapshot | None) -> bytes:
        """Return the last event."""
        return event("end", "{}")


def _chunks_after(build_id: uuid.UUID, cursor: int) -> tuple[LogChunk, ...]:
    return read_log(build_id, cursor, CHUNKS_AT_ONCE).chunks


def _build_as_json(build_id: uuid.UUID) -> dict[str, Any] | None:
    build = builds_for_page().filter(pk=build_id).first()
    return rows.whole_build(build) if build else None


def _log_event(chunk: LogChunk) -> bytes:
    payload = {"first_line": chunk.first_line, "step": chunk.step, "text": chunk.text}
    return f"id: {chunk.seq}\n".encode() + event("log", _json(payload))


def _json(value: Any) -> str:
    return json.dumps(value, cls=JSONEncoder, ensure_ascii=False)
