"""A build as it happens, for programs: server-sent events whose data are JSON.

`build` is the build as the API gives it, `log` a run of lines, `end` says that nothing more comes. The id of an
event is the log's cursor: whoever comes back with it, in `Last-Event-ID` or `?after=`, goes on from there.
"""

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from rest_framework.utils.encoders import JSONEncoder

from builds.logs import read_log
from builds.models import LogChunk
from builds.pages import builds_for_page, get_build
from builds.stream import (
    ACCESS_SECONDS,
    HEARTBEAT_SECONDS,
    cursor_of,
    event,
    in_thread,
    person_of,
    watchtower,
)
from environments.access import through
from environments.models import Scope
from environments.tokens import token_of
from studio.api import rows
from studio.api.answers import shaped
from studio.api.signing import NOT_A_TOKEN, ONLY_PULLS, bearer

CHUNKS_AT_ONCE = 50


@require_safe
async def stream(request: HttpRequest, workspace: str, build: uuid.UUID) -> HttpResponseBase:
    """Send a build's changes and its log as they happen, from the cursor that the caller has."""
    try:
        user = await _person(request)
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
    events = _events(request, workspace, build)
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy passes each event on at once
    return response


class _NotSignedIn(Exception):
    """Nobody whom the studio knows."""


async def _person(request: HttpRequest) -> Any:
    secret = bearer(request)
    if secret is None:
        user = await in_thread(person_of, request.session)  # read anew each time it is asked
        if not user.is_authenticated:
            raise _NotSignedIn("Sign in, or send an access token: Authorization: Bearer …")
        return user
    token = await in_thread(token_of, secret)
    if token is None:
        raise _NotSignedIn(NOT_A_TOKEN)
    if token.scope < Scope.READ:
        raise PermissionDenied(ONLY_PULLS)
    return through(token)


async def _may_still_see(request: HttpRequest, workspace: str, build: uuid.UUID) -> bool:
    """Tell whether who asked still may: the token was not revoked, the password is the same, the role is there."""
    try:
        await in_thread(get_build, await _person(request), workspace, build)
    except (_NotSignedIn, Http404, PermissionDenied):
        return False
    return True


async def _events(request: HttpRequest, workspace: str, build_id: uuid.UUID) -> AsyncIterator[bytes]:
    stamp, cursor, checked = -1, cursor_of(request), time.monotonic()
    async with watchtower.watching(build_id) as watch:
        yield b"retry: 1000\n\n"
        while not watch.closed:
            if not await watch.changed(HEARTBEAT_SECONDS):
                yield b": still here\n\n"
            if time.monotonic() - checked >= ACCESS_SECONDS:
                if not await _may_still_see(request, workspace, build_id):
                    return
                checked = time.monotonic()
            sight = watch.sight
            while not watch.closed and sight is not None and cursor < sight.cursor:
                chunks = await in_thread(_behind, build_id, cursor)
                if not chunks:
                    break
                cursor = chunks[-1].seq
                yield b"".join(_log(chunk) for chunk in chunks)
            if sight is not None and sight.stamp != stamp:
                stamp = sight.stamp
                yield event("build", _json(await in_thread(_now, build_id)))
            if watch.gone or (sight is not None and sight.ended):
                yield event("end", "{}")
                return


def _behind(build_id: uuid.UUID, cursor: int) -> tuple[LogChunk, ...]:
    return read_log(build_id, cursor, CHUNKS_AT_ONCE).chunks


def _now(build_id: uuid.UUID) -> dict[str, Any] | None:
    build = builds_for_page().filter(pk=build_id).first()
    return rows.whole_build(build) if build else None


def _log(chunk: LogChunk) -> bytes:
    told = {"first_line": chunk.first_line, "step": chunk.step, "text": chunk.text}
    return f"id: {chunk.seq}\n".encode() + event("log", _json(told))


def _json(value: Any) -> str:
    return json.dumps(value, cls=JSONEncoder, ensure_ascii=False)
