"""Putting away what a page told of builds that have ended."""

import uuid
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from builds.news import saw_all, saw_the_end
from studio.views.doors import back_to


def read_time(text: str) -> datetime:
    """Return a time with its zone. Raises ValueError."""
    read = parse_datetime(text)
    if read is None or is_naive(read):
        raise ValueError(f"{text!r} is not a time with a zone.")
    return read


@require_POST
@login_required
def put_away(request: HttpRequest) -> HttpResponse:
    """Tell no more of one build, or of all that had ended by a time."""
    try:
        if until := request.POST.get("until"):
            saw_all(request.user, read_time(until))
        else:
            saw_the_end(request.user, uuid.UUID(request.POST.get("build", "")))
    except ValueError:
        return HttpResponseBadRequest(_("Say which build, or until when, as the page does."))
    if getattr(request, "htmx", False):
        return HttpResponse()
    return back_to(request)
