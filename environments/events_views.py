"""The activity of a workspace: a page with filters, and all of it as lines of JSON."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from environments.access import Right, get_workspace, may
from environments.events import FIELDS, THE_STUDIO, BadFilter, Filter, events_of, stream_of
from environments.lists import Pages
from environments.models import Event, Workspace
from environments.outbox import EventGroup

ROWS = 50
NAMES = 200  # that the browser offers while somebody types


@require_safe
@login_required
def activity(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show who did what in a workspace."""
    place = get_workspace(request.user, workspace)
    typed = {name: request.GET.get(name, "").replace("\0", "").strip() for name in FIELDS}
    shown: dict[str, Any] = {"place": place, "typed": typed, "the_studio": THE_STUDIO}
    try:
        asked, problem = Filter.read(request.GET.dict()), None
    except BadFilter as wrong:
        asked, problem = None, wrong
    rows = events_of(place, asked) if asked is not None else Event.objects.none()
    shown |= {
        "page": Pages(rows, ROWS).get_page(request.GET.get("page")),
        "problem": problem,
        "filtered": asked is None or not asked.empty,
        "groups": EventGroup.choices,
        "one_verb": typed["what"] if typed["what"] not in EventGroup.values else "",
        "people": _people(place),
    }
    return render(request, "environments/activity.html", shown, status=422 if problem else 200)


def _people(place: Workspace) -> list[str]:
    members = User.objects.filter(memberships__workspace=place).order_by("username")
    return list(members.values_list("username", flat=True)[:NAMES])


@require_safe
@login_required
def export(request: HttpRequest, workspace: str) -> HttpResponse | StreamingHttpResponse:
    """Give what the page's filters find as lines of JSON, newest first."""
    place = get_workspace(request.user, workspace)
    try:
        rows = events_of(place, Filter.read(request.GET.dict()))
    except BadFilter as wrong:
        return HttpResponseBadRequest(
            _("%(field)s: %(problem)s") % {"field": wrong.field, "problem": wrong}, content_type="text/plain"
        )
    lines = stream_of(rows, origin=may(request.user, Right.SEE_ORIGINS, place))
    response = StreamingHttpResponse(lines, content_type="application/x-ndjson; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{place.name}-events.jsonl"'
    return response
