"""What happened in a workspace."""

from django.http import StreamingHttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from environments.access import Right, get_workspace, may
from environments.events import BadFilter, Filter, as_json, events_everywhere, events_of, stream_of
from environments.outbox import EventGroup
from studio.api import shapes
from studio.api.answers import page_of
from studio.api.describing import documented, route

PLACE = ("workspace",)
ASKED = {
    "who": "Only what this person did; `:studio` is the studio itself.",
    "what": f"Only this verb, such as `build.failed`, or this group: {', '.join(EventGroup.values)}.",
    "environment": "Only what is about this environment.",
    "since": "From this day on, or from this time on: `2026-11-21` (UTC), `2026-11-21T08:00:00Z`.",
    "until": "To the end of this day, or before this time.",
}
ASKED_EVERYWHERE = ASKED | {
    "workspace": "Only what happened in this workspace; `:none` is outside of all of them."
}


def _asked(request: Request) -> Filter:
    try:
        return Filter.read({name: str(value) for name, value in request.query_params.items()})
    except BadFilter as wrong:
        raise ValidationError({wrong.field: [str(wrong)]}) from None


@documented(
    "GET",
    "List what happened in a workspace, newest first",
    shapes.paged(shapes.Event),
    path=PLACE,
    query=ASKED,
    paged=True,
)
def events(request: Request, workspace: str) -> Response:
    """List what happened in a workspace, newest first."""
    place = get_workspace(request.user, workspace)
    page, pages = page_of(request, events_of(place, _asked(request)), ("-at", "-pk"))
    origin = may(request.user, Right.SEE_ORIGINS, place)
    return pages.get_paginated_response([as_json(row, origin=origin) for row in page])


@documented(
    "GET",
    "Give what happened in a workspace as lines of JSON, all of it, newest first",
    {(200, "application/x-ndjson"): str},
    path=PLACE,
    query=ASKED,
)
def export_events(request: Request, workspace: str) -> StreamingHttpResponse:
    """Give what happened in a workspace as lines of JSON, all of it, newest first."""
    place = get_workspace(request.user, workspace)
    lines = stream_of(events_of(place, _asked(request)), origin=may(request.user, Right.SEE_ORIGINS, place))
    return StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")


@documented(
    "GET",
    "List what you did, in all workspaces and outside of them, newest first; for admins, what everybody did",
    shapes.paged(shapes.Event),
    query=ASKED_EVERYWHERE,
    paged=True,
)
def all_events(request: Request) -> Response:
    """List what you did, in all workspaces and outside of them, newest first; for admins, what everybody did."""
    page, pages = page_of(request, events_everywhere(request.user, _asked(request)), ("-at", "-pk"))  # type: ignore[arg-type]
    return pages.get_paginated_response([as_json(row, origin=True) for row in page])


@documented(
    "GET",
    "Give what you did as lines of JSON, all of it; for admins, what everybody did",
    {(200, "application/x-ndjson"): str},
    query=ASKED_EVERYWHERE,
)
def export_all_events(request: Request) -> StreamingHttpResponse:
    """Give what you did as lines of JSON, all of it; for admins, what everybody did."""
    lines = stream_of(events_everywhere(request.user, _asked(request)), origin=True)  # type: ignore[arg-type]
    return StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")


ROUTES = {
    "events": route(GET=events),
    "export": route(GET=export_events),
    "all": route(GET=all_events),
    "export-all": route(GET=export_all_events),
}
