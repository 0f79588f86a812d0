"""A build's log in pieces: lines that a page lacks, and the lines that match a query or report an error."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from builds.logs import find_lines, lines_between, matching_lines
from builds.logs.ansi import chunks_html, is_error
from builds.pages.build_page import get_build
from builds.pages.log_groups import LINES_SHOWN
from environments.requests import StudioRequest

HITS = 2_000


@require_safe
@login_required
def lines(request: StudioRequest, workspace: str, build: uuid.UUID) -> HttpResponse:
    """Return lines of the log as HTML, a page's worth at most, and the step that the last is of."""
    row = get_build(request.user, workspace, build)
    first = max(_number(request, "from", 1), 1)
    last = min(_number(request, "to", first), first + LINES_SHOWN - 1)
    chunks = lines_between(row.pk, first, last)
    before = lines_between(row.pk, first - 1, first - 1)
    response = HttpResponse(chunks_html(chunks, before[-1].step if before else ""))
    response.headers["X-Log-Step"] = chunks[-1].step if chunks else ""
    return response


@require_safe
@login_required
def search(request: StudioRequest, workspace: str, build: uuid.UUID) -> JsonResponse:
    """Return the numbers of the first lines that contain the query, and the total number.

    With `errors`, the lines are those that report an error, and the line that shows why the build failed.
    """
    row = get_build(request.user, workspace, build)
    if "errors" in request.GET:
        hits, count = matching_lines(row.pk, is_error, HITS)
        numbers = {number for number, _ in hits}
        missing = {row.error_line} - numbers if row.error_line else set()
        return JsonResponse({"lines": sorted(numbers | missing), "count": count + len(missing)})
    query = request.GET.get("q", "").strip()[:200]
    hits, count = find_lines(row.pk, query, HITS) if query else ([], 0)
    return JsonResponse({"lines": [number for number, _ in hits], "count": count})


def _number(request: StudioRequest, name: str, default: int) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
