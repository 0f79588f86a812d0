"""Dismiss the notes on finished builds that pages show."""

import uuid
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBadRequest
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from builds.pages.finished import mark_all_seen, mark_seen
from environments.requests import StudioRequest
from studio.signing_in.views import redirect_back


def read_time(text: str) -> datetime:
    """Return a time with its zone. Raises ValueError."""
    time = parse_datetime(text)
    if time is None or is_naive(time):
        raise ValueError(f"{text!r} is not a time with a zone.")
    return time


@require_POST
@login_required
def dismiss(request: StudioRequest) -> HttpResponse:
    """Dismiss the note on a build, or on all builds that finished by a time."""
    try:
        if until := request.POST.get("until"):
            mark_all_seen(request.user, read_time(until))
        else:
            mark_seen(request.user, uuid.UUID(request.POST.get("build", "")))
    except ValueError:
        return HttpResponseBadRequest(_("Say which build, or until when, as the page does."))
    if request.htmx:
        return HttpResponse()
    return redirect_back(request)
