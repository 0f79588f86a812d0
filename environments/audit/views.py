"""The activity of a workspace and of the whole studio: pages with filters, and an export as lines of JSON."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from environments.access import Right, get_workspace, may
from environments.audit.events import (
    FIELDS,
    NO_WORKSPACE,
    STUDIO_ACTOR,
    EventFilter,
    InvalidFilter,
    sees_all_events,
    stream_json_lines,
    visible_events,
    workspace_events,
)
from environments.models import Event, EventGroup
from environments.paging import KeysetPaginator
from environments.requests import StudioRequest

PAGE_SIZE = 50
MAX_SUGGESTIONS = 200  # offered by the browser as completions


@require_safe
@login_required
def activity(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show the events of a workspace."""
    workspace = get_workspace(request.user, workspace)
    people = User.objects.filter(memberships__workspace=workspace)
    return _page(request, partial(workspace_events, workspace), people, {"workspace": workspace})


@require_safe
@login_required
def everywhere(request: StudioRequest) -> HttpResponse:
    """Show all events of the studio to admins, and to other users their own."""
    user = request.user
    sees_all = sees_all_events(user)
    people = User.objects.all() if sees_all else User.objects.none()
    context = {"everywhere": True, "all_of_it": sees_all, "no_workspace": NO_WORKSPACE}
    return _page(request, partial(visible_events, user), people, context)


def _page(
    request: StudioRequest,
    events: Callable[[EventFilter], QuerySet[Event]],
    people: QuerySet[User],
    context: dict[str, Any],
) -> HttpResponse:
    typed = {name: request.GET.get(name, "").strip() for name in FIELDS}
    try:
        filters, problem = EventFilter.read(request.GET.dict()), None
    except InvalidFilter as wrong:
        filters, problem = None, wrong
    rows = events(filters) if filters is not None else Event.objects.none()
    context |= {
        "typed": typed,
        "the_studio": STUDIO_ACTOR,
        "page": KeysetPaginator(rows, PAGE_SIZE).get_page(request.GET.get("page")),
        "problem": problem,
        "filtered": filters is None or not filters.empty,
        "groups": EventGroup.choices,
        "one_verb": typed["what"] if typed["what"] not in EventGroup.values else "",
        "people": list(people.order_by("username").values_list("username", flat=True)[:MAX_SUGGESTIONS]),
    }
    return render(request, "environments/activity.html", context, status=422 if problem else 200)


@require_safe
@login_required
def export(request: StudioRequest, workspace: str) -> HttpResponse | StreamingHttpResponse:
    """Export the filtered events of a workspace as lines of JSON, newest first."""
    workspace = get_workspace(request.user, workspace)
    origin = may(request.user, Right.SEE_ORIGINS, workspace)
    return _lines(request, partial(workspace_events, workspace), workspace.name, origin=origin)


@require_safe
@login_required
def export_everywhere(request: StudioRequest) -> HttpResponse | StreamingHttpResponse:
    """Export the filtered events of the studio as lines of JSON, newest first."""
    user = request.user
    return _lines(request, partial(visible_events, user), "studio", origin=True)


def _lines(
    request: StudioRequest, events: Callable[[EventFilter], QuerySet[Event]], name: str, *, origin: bool
) -> HttpResponse | StreamingHttpResponse:
    try:
        rows = events(EventFilter.read(request.GET.dict()))
    except InvalidFilter as wrong:
        return HttpResponseBadRequest(
            _("%(field)s: %(problem)s") % {"field": wrong.field, "problem": wrong}, content_type="text/plain"
        )
    lines = stream_json_lines(rows, origin=origin)
    response = StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-events.jsonl"'
    return response
