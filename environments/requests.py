"""The type of requests to signed-in pages: what middleware has put on them."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class StudioRequest(HttpRequest):
    """A request that `login_required` has let through, with its user and what htmx asks for.

    For annotations only: the object itself is the server's own HttpRequest.
    """

    user: User
    htmx: HtmxDetails


def wants_partial(request: StudioRequest) -> bool:
    """Return whether htmx replaces a part of the page; when it restores history, it needs the whole page."""
    return bool(request.htmx) and not request.htmx.history_restore_request
