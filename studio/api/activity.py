"""Events of a workspace."""

from django.http import StreamingHttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from environments.access import Right, get_workspace, may
from environments.audit.events import (
    EventFilter,
    InvalidFilter,
    event_as_json,
    stream_json_lines,
    visible_events,
    workspace_events,
)
from environments.models import EventGroup
from studio.api.http.answers import page_of
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import responses

WORKSPACE = ("workspace",)
EVENT_QUERY = {
    "who": "Only what this person did; `:studio` is the studio itself.",
    "what": f"Only this verb, such as `build.failed`, or this group: {', '.join(EventGroup.values)}.",
    "environment": "Only what is about this environment.",
    "since": "From this day on, or from this time on: `2026-11-21` (UTC), `2026-11-21T08:00:00Z`.",
    "until": "To the end of this day, or before this time.",
}
STUDIO_EVENT_QUERY = EVENT_QUERY | {
    "workspace": "Only what happened in this workspace; `:none` is outside of all of them."
}


def _event_filter(request: ApiRequest) -> EventFilter:
    try:
        return EventFilter.read({name: str(value) for name, value in request.query_params.items()})
    except InvalidFilter as wrong:
        raise ValidationError({wrong.field: [str(wrong)]}) from None


@documented(
    "GET",
    responses.paged(responses.Event),
    path=WORKSPACE,
    query=EVENT_QUERY,
    paged=True,
)
def events(request: ApiRequest, workspace: str) -> Response:
    """List the events of a workspace, newest first."""
    space = get_workspace(request.user, workspace)
    page, pages = page_of(request, workspace_events(space, _event_filter(request)), ("-at", "-pk"))
    origin = may(request.user, Right.SEE_ORIGINS, space)
    return pages.get_paginated_response([event_as_json(row, origin=origin) for row in page])


@documented(
    "GET",
    {(200, "application/x-ndjson"): str},
    path=WORKSPACE,
    query=EVENT_QUERY,
)
def export_events(request: ApiRequest, workspace: str) -> StreamingHttpResponse:
    """Export all events of a workspace as JSON lines, newest first."""
    space = get_workspace(request.user, workspace)
    lines = stream_json_lines(
        workspace_events(space, _event_filter(request)), origin=may(request.user, Right.SEE_ORIGINS, space)
    )
    return StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")


@documented(
    "GET",
    responses.paged(responses.Event),
    query=STUDIO_EVENT_QUERY,
    paged=True,
)
def all_events(request: ApiRequest) -> Response:
    """List what you did, in all workspaces and outside of them, newest first; for admins, what everybody did."""
    page, pages = page_of(request, visible_events(request.user, _event_filter(request)), ("-at", "-pk"))
    return pages.get_paginated_response([event_as_json(row, origin=True) for row in page])


@documented(
    "GET",
    {(200, "application/x-ndjson"): str},
    query=STUDIO_EVENT_QUERY,
)
def export_all_events(request: ApiRequest) -> StreamingHttpResponse:
    """Give what you did as lines of JSON, all of it; for admins, what everybody did."""
    lines = stream_json_lines(visible_events(request.user, _event_filter(request)), origin=True)
    return StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")
