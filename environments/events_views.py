"""The activity of a workspace and of the whole studio: pages with filters, and all of it as lines of JSON."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from environments.access import Right, get_workspace, may
from environments.events import (
    FIELDS,
    NO_WORKSPACE,
    THE_STUDIO,
    BadFilter,
    Filter,
    events_everywhere,
    events_of,
    sees_everything,
    stream_of,
)
from environments.lists import Pages
from environments.models import Event
from environments.outbox import EventGroup

ROWS = 50
NAMES = 200  # that the browser offers while somebody types


@require_safe
@login_required
def activity(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show who did what in a workspace."""
    place = get_workspace(request.user, workspace)
    people = User.objects.filter(memberships__workspace=place)
    return _page(request, partial(events_of, place), people, {"place": place})


@require_safe
@login_required
def everywhere(request: HttpRequest) -> HttpResponse:
    """Show admins who did what in all workspaces and outside of them, and everybody else what they did."""
    user = cast(User, request.user)
    all_of_it = sees_everything(user)
    people = User.objects.all() if all_of_it else User.objects.none()
    shown = {"everywhere": True, "all_of_it": all_of_it, "no_workspace": NO_WORKSPACE}
    return _page(request, partial(events_everywhere, user), people, shown)


def _page(
    request: HttpRequest,
    found: Callable[[Filter], QuerySet[Event]],
    people: QuerySet[User],
    shown: dict[str, Any],
) -> HttpResponse:
    typed = {name: request.GET.get(name, "").replace("\0", "").strip() for name in FIELDS}
    try:
        asked, problem = Filter.read(request.GET.dict()), None
    except BadFilter as wrong:
        asked, problem = None, wrong
    rows = found(asked) if asked is not None else Event.objects.none()
    shown |= {
        "typed": typed,
        "the_studio": THE_STUDIO,
        "page": Pages(rows, ROWS).get_page(request.GET.get("page")),
        "problem": problem,
        "filtered": asked is None or not asked.empty,
        "groups": EventGroup.choices,
        "one_verb": typed["what"] if typed["what"] not in EventGroup.values else "",
        "people": list(people.order_by("username").values_list("username", flat=True)[:NAMES]),
    }
    return render(request, "environments/activity.html", shown, status=422 if problem else 200)


@require_safe
@login_required
def export(request: HttpRequest, workspace: str) -> HttpResponse | StreamingHttpResponse:
    """Give what the page's filters find as lines of JSON, newest first."""
    place = get_workspace(request.user, workspace)
    origin = may(request.user, Right.SEE_ORIGINS, place)
    return _lines(request, partial(events_of, place), place.name, origin=origin)


@require_safe
@login_required
def export_everywhere(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Give what the filters of the page of everything find as lines of JSON, newest first."""
    user = cast(User, request.user)
    return _lines(request, partial(events_everywhere, user), "studio", origin=True)


def _lines(
    request: HttpRequest, found: Callable[[Filter], QuerySet[Event]], name: str, *, origin: bool
) -> HttpResponse | StreamingHttpResponse:
    try:
        rows = found(Filter.read(request.GET.dict()))
    except BadFilter as wrong:
        return HttpResponseBadRequest(
            _("%(field)s: %(problem)s") % {"field": wrong.field, "problem": wrong}, content_type="text/plain"
        )
    lines = stream_of(rows, origin=origin)
    response = StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-events.jsonl"'
    return response
