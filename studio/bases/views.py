"""Base images in use, of a workspace or of all that a user sees."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from builds.models import Rebase
from builds.queue.messages import send_base_checks
from builds.rebase.bases import bases_in_use, outdated_by_workspace, request_checks, waiting_checks
from environments.access import Right, get_workspace, may, workspaces_of
from environments.models import Workspace
from environments.requests import StudioRequest

RECENT = 10  # rebases


@require_safe
@login_required
def bases(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show the bases of a workspace's images, and its last rebases."""
    shown = get_workspace(request.user, workspace)
    rebases = Rebase.objects.filter(workspace=shown).select_related("requested_by")
    context = {
        "workspace": shown,
        "rebases": rebases[:RECENT],
        "may_check": may(request.user, Right.BUILD, shown),
        "may_rebase": may(request.user, Right.REBASE, shown),
    }
    return _page(request, Workspace.objects.filter(pk=shown.pk), context)


@require_safe
@login_required
def everywhere(request: StudioRequest) -> HttpResponse:
    """Show the bases of all images to admins, and to members those of their workspaces."""
    workspaces = workspaces_of(request.user)
    if not request.user.is_superuser:
        workspaces = workspaces.filter(members__user=request.user)
    return _page(request, Workspace.objects.filter(pk__in=workspaces.values("pk")), {"everywhere": True})


def _page(
    request: StudioRequest, workspaces: QuerySet[Workspace], context: dict[str, object]
) -> HttpResponse:
    by_workspace = outdated_by_workspace(workspaces)
    context |= {
        "bases": bases_in_use(workspaces),
        "by_workspace": by_workspace,
        "images": sum(row.images for row in by_workspace),
        "outdated": sum(row.outdated for row in by_workspace),
        "waiting": waiting_checks(workspaces),
        "days": settings.BASE_DAYS,
    }
    return render(request, "studio/bases.html", context)


@require_POST
@login_required
def check(request: StudioRequest, workspace: str) -> HttpResponse:
    """Have a worker look up the bases of a workspace in their registries."""
    checked = get_workspace(request.user, workspace, Right.BUILD)
    requested = request_checks([checked], request.user)
    if requested:
        send_base_checks()
        message = ngettext(
            "A worker checks %(bases)d base image now.",
            "A worker checks %(bases)d base images now.",
            requested,
        )
        messages.success(request, message % {"bases": requested})
    else:
        messages.info(request, _("Nothing to check. All base images were checked a moment ago."))
    return redirect("bases", checked.name)
