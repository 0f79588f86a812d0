"""The bell of every page, and marking notices as read."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from environments.notifications.inbox import bell_for, mark_read
from environments.requests import StudioRequest
from studio.signing_in.views import redirect_back

MAX_ID = 2**63


@never_cache
@require_safe
@login_required
def bell(request: StudioRequest) -> HttpResponse:
    """Show the bell as it is now."""
    return render(request, "_bell.html", {"bell": bell_for(request.user), "fragment": True})


@require_POST
@login_required
def read(request: StudioRequest) -> HttpResponse:
    """Mark a notice as read, or all notices up to the newest that the page shows."""
    numbers = {name: request.POST.get(name, "") for name in ("notice", "until")}
    notice, until = (
        int(text) if text.isascii() and text.isdigit() and int(text[:20]) < MAX_ID else None
        for text in numbers.values()
    )
    if notice is None and until is None:
        return HttpResponseBadRequest(_("Choose a notification, or mark all as read."))
    mark_read(request.user, [notice] if notice is not None else None, until=until)
    if request.htmx:
        return render(request, "_bell.html", {"bell": bell_for(request.user), "fragment": True})
    return redirect_back(request)
