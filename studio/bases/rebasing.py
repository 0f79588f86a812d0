"""Rebases, as pages: a preview first, then the run."""

from collections import Counter

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from builds.models import Fate, Rebase, RebaseState
from builds.pages.sharing import sharing_of
from builds.queue import rebases
from builds.queue.messages import send_rebase
from builds.queue.requests import StateConflict
from builds.rebase.bases import whole_reference
from environments.access import Right, get_workspace, may
from environments.definition.syntax.reference import BadReference
from environments.models import Workspace
from environments.requests import StudioRequest

ROWS = 50


@require_POST
@login_required
def preview(request: StudioRequest, workspace: str) -> HttpResponse:
    """Have a worker preview a rebase, and show its page."""
    shown = get_workspace(request.user, workspace, Right.REBASE)
    try:
        base = whole_reference(request.POST.get("base", ""))
        target = whole_reference(request.POST.get("to", "") or base)
        rebase = rebases.request_plan(
            shown, base, target, request.user, base_digest=_digest(request.POST.get("digest", ""))
        )
    except BadReference as error:
        messages.error(request, _("This is no reference to an image: %(error)s.") % {"error": error})
        return redirect("bases", shown.name)
    except StateConflict as conflict:
        messages.error(request, str(conflict))
        return redirect("bases", shown.name)
    send_rebase()
    return redirect("rebase", shown.name, rebase.pk)


@never_cache
@require_safe
@login_required
def rebase(request: StudioRequest, workspace: str, rebase: int) -> HttpResponse:
    """Show what a rebase does to each image, or has done."""
    shown = get_workspace(request.user, workspace)
    row = _get_rebase(shown, rebase)
    images = row.images.order_by("fate", "pk")
    page = Paginator(images, ROWS).get_page(request.GET.get("page"))
    sharing = sharing_of(shown, (item.hash for item in page), request.user)
    counts = Counter(row.images.values_list("fate", flat=True))
    context = {
        "workspace": shown,
        "rebase": row,
        "page": page,
        "rows": [(item, sharing[item.hash]) for item in page],
        "to_rebase": counts[Fate.REBASE],
        "to_rebuild": counts[Fate.REBUILD],
        "rebased": counts[Fate.REBASED],
        "total": sum(counts.values()),
        "may_rebase": may(request.user, Right.REBASE, shown),
        "may_start": row.state == RebaseState.READY and (counts[Fate.REBASE] or counts[Fate.REBUILD]),
    }
    return render(request, "studio/rebase.html", context)


@require_POST
@login_required
def start(request: StudioRequest, workspace: str, rebase: int) -> HttpResponse:
    """Have a worker run a rebase that was previewed."""
    shown = get_workspace(request.user, workspace, Right.REBASE)
    row = _get_rebase(shown, rebase)
    try:
        rebases.start(row, request.user, rebuild=request.POST.get("rebuild") == "on")
    except StateConflict as conflict:
        messages.error(request, str(conflict))
    else:
        send_rebase()
    return redirect("rebase", shown.name, row.pk)


@require_POST
@login_required
def cancel(request: StudioRequest, workspace: str, rebase: int) -> HttpResponse:
    """Cancel a rebase; images that were rebased stay so."""
    shown = get_workspace(request.user, workspace, Right.REBASE)
    row = _get_rebase(shown, rebase)
    try:
        rebases.cancel(row, request.user)
    except StateConflict as conflict:
        messages.error(request, str(conflict))
    return redirect("rebase", shown.name, row.pk)


def _get_rebase(workspace: Workspace, number: int) -> Rebase:
    row = Rebase.objects.filter(workspace=workspace, pk=number).select_related("requested_by").first()
    if row is None:
        raise Http404(f"{workspace} has no rebase {number}.")
    return row


def _digest(typed: str) -> str:
    return typed if len(typed) == len("sha256:") + 64 else ""
