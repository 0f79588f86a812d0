"""The list of advisories that affect a workspace's images, and the page of an advisory or a package."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from builds.advisories.records import shown_name
from builds.exposure.overview import advisories_in
from builds.exposure.promise import DAYS, promise_and_late
from builds.exposure.search import search
from builds.models import SEVERITIES, Advisory
from builds.rebase.bases import outdated_by_workspace
from environments.access import get_workspace
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from studio.exposure.scope import ALL, scope_of, sees_everything

MOST_PAGES = 1_000
MOST_LATE = 100


@require_safe
@login_required
def advisories(request: StudioRequest, workspace: str) -> HttpResponse:
    """List the advisories that affect images of a workspace, or of all that the user sees, worst first."""
    workspace = get_workspace(request.user, workspace)
    everywhere = request.GET.get("in") == ALL
    severity, query = query_param(request, "severity")[:20], query_param(request, "q")[:200]
    page = page_number(request)
    rows, more = advisories_in(
        scope_of(request.user, None if everywhere else workspace), severity=severity, query=query, page=page
    )
    context: dict[str, Any] = {
        "workspace": workspace,
        "everywhere": everywhere,
        "severity": severity if severity in SEVERITIES else "",
        "severities": list(reversed(SEVERITIES)),
        "query": query,
        "rows": rows,
        "number": page,
        "more": more,
        "sees_everything": sees_everything(request.user),
        "known": bool(rows) or Advisory.objects.exists(),
    }
    return render(request, "exposure/advisories.html", context)


@require_safe
@login_required
def exposed(request: StudioRequest, workspace: str, subject: str) -> HttpResponse:
    """Show the images with what a name means: an advisory, by any of its names, or a package such as `lib<2`."""
    workspace = get_workspace(request.user, workspace)
    everywhere = request.GET.get("in") == ALL
    scope = scope_of(request.user, None if everywhere else workspace)
    answer = search(
        subject,
        scope=scope,
        seen=scope_of(request.user),
        shown=query_param(request, "show"),
        page=page_number(request),
    )
    if answer is None:
        raise Http404(f"No advisory and no package of an image is called {subject[:100]}.")
    advisory = answer.subject.advisory
    context: dict[str, Any] = {
        "workspace": workspace,
        "everywhere": everywhere,
        "answer": answer,
        "advisory": advisory,
        "names": _other_names(advisory),
        "advisories": sorted(
            answer.subject.advisories.values(),
            key=lambda row: (-SEVERITIES.index(row.severity), -(row.score or 0), row.key),
        ),
    }
    return render(request, "exposure/exposed.html", context)


@require_safe
@login_required
def patch_status(request: StudioRequest) -> HttpResponse:
    """Show admins how far the promise holds: which images in use are late, and whose they are."""
    if not sees_everything(request.user):
        raise PermissionDenied("Only admins of the studio see all workspaces.")
    figures, late = promise_and_late(most=MOST_LATE)
    outdated = [row for row in outdated_by_workspace() if row.outdated]
    context = {
        "days": DAYS,
        "figures": figures,
        "late": late,
        "outdated": outdated,
        "outdated_images": sum(row.outdated for row in outdated),
    }
    return render(request, "exposure/patch_status.html", context)


def _other_names(advisory: Advisory | None) -> list[str]:
    if advisory is None:
        return []
    names = advisory.records.order_by("name").values_list("name", flat=True)
    return [shown_name(name) for name in names if name != advisory.key.upper()][:20]


def page_number(request: StudioRequest) -> int:
    """Return the number of the page that a URL names; the first for anything else."""
    text = request.GET.get("page", "")
    return min(max(int(text), 1), MOST_PAGES) if text.isascii() and text.isdigit() and len(text) < 6 else 1
