"""Which images are exposed to an advisory, and which advisories affect images."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from builds.exposure.overview import advisories_in
from builds.exposure.promise import promise_and_late
from builds.exposure.search import SHOWN, search
from builds.models import SEVERITIES
from builds.rebase.bases import outdated_by_workspace
from environments.access import get_workspace
from studio.api.http.requests import ApiRequest
from studio.api.http.schema import documented
from studio.api.shapes import exposure as shapes
from studio.exposure.plain import plain_affecting, plain_answer, plain_promise
from studio.exposure.scope import scope_of, sees_everything

MOST_PAGES = 1_000
WITHIN = {"workspace": "A workspace; without it, all that you can see.", "page": "The number of the page."}


@documented(
    "GET",
    shapes.Advisories,
    query=WITHIN | {"severity": "Only this severity.", "q": "A part of a name, or of a package's name."},
    may=(404,),
)
def advisories(request: ApiRequest) -> Response:
    """List the advisories that affect an image, worst first."""
    severity = request.query_params.get("severity", "")
    if severity and severity not in SEVERITIES:
        raise ValidationError({"severity": [f"Use one of {', '.join(SEVERITIES)}."]})
    page = _page(request)
    query = request.query_params.get("q", "")[:200]
    rows, more = advisories_in(_scope(request), severity=severity, query=query, page=page)
    return Response({"page": page, "more": more, "advisories": [plain_affecting(row) for row in rows]})


@documented(
    "GET",
    shapes.Answer,
    path=("subject",),
    query=WITHIN | {"show": "`used` (images of latest, labelled and used versions), `current` or `past`."},
)
def exposed(request: ApiRequest, subject: str) -> Response:
    """Show the images that an advisory affects, by any of its names, or that have a package such as `lib<2`."""
    shown = request.query_params.get("show", SHOWN[0])
    if shown not in SHOWN:
        raise ValidationError({"show": [f"Use one of {', '.join(SHOWN)}."]})
    seen = scope_of(request.user)
    answer = search(subject, scope=_scope(request), seen=seen, shown=shown, page=_page(request))
    if answer is None:
        raise Http404(f"No advisory and no package of an image is called {subject[:100]}.")
    return Response(plain_answer(answer))


@documented("GET", shapes.PatchStatus)
def patch_status(request: ApiRequest) -> Response:
    """Show admins the images in use with a vulnerability known for more than 30 days, and those with an outdated base."""
    if not sees_everything(request.user):
        raise PermissionDenied("Only admins of the studio see all workspaces.")
    outdated = {row.workspace: row.outdated for row in outdated_by_workspace() if row.outdated}
    figures = plain_promise(*promise_and_late())
    return Response(figures | {"images_outdated_base": outdated})


def _scope(request: ApiRequest) -> list[int] | None:
    name = request.query_params.get("workspace", "")
    return scope_of(request.user, get_workspace(request.user, name) if name else None)


def _page(request: ApiRequest) -> int:
    text = request.query_params.get("page", "1")
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= MOST_PAGES):
        raise ValidationError({"page": [f"Use a number from 1 to {MOST_PAGES:,}."]})
    return int(text)
