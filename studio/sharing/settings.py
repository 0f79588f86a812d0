"""The settings' tab of sharing: the inbox of shared versions, those that were sent, the registry, protected labels."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from environments.access import Right, get_workspace, may
from environments.errors import ServiceError
from environments.models import Workspace
from environments.requests import StudioRequest
from environments.sharing.service import received_by, sent_by
from environments.versions.forms import query_param
from environments.versions.labels import SUGGESTED
from environments.workspaces.settings_views import settings_page, tab_url
from environments.workspaces.sharing import set_opened, set_protected_labels, set_receives_shares
from environments.workspaces.tabs import Tab, TabContext

ROWS = 20


def sharing_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    """Return the tab's context; only owners see what was received."""
    decides = may(request.user, Right.DECIDE_SHARES, workspace)
    received = Paginator(received_by(workspace), ROWS).get_page(query_param(request, "received"))
    return {
        "may_manage": may(request.user, Right.MANAGE_SETTINGS, workspace),
        "decides": decides,
        "received": received if decides else [],
        "sent": Paginator(sent_by(workspace), ROWS).get_page(query_param(request, "sent")),
        "typed": " ".join(workspace.protected_labels),
        "suggested": " ".join(SUGGESTED),
    }


@require_POST
@login_required
def change_opened(request: StudioRequest, workspace: str) -> HttpResponse:
    """Open a workspace as a registry for Azure's clients, or close it."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    opened = request.POST.get("opened") == "on"
    if not set_opened(workspace, opened, request.user):
        messages.info(request, _("No changes to save."))
    elif opened:
        messages.success(
            request, _("%(workspace)s is now a registry for its members.") % {"workspace": workspace}
        )
    else:
        messages.success(request, _("%(workspace)s is no longer a registry.") % {"workspace": workspace})
    return redirect(tab_url(workspace, "sharing"))


@require_POST
@login_required
def change_receiving(request: StudioRequest, workspace: str) -> HttpResponse:
    """Choose whether the workspace receives what others share with it."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    receives = request.POST.get("receives") == "on"
    if not set_receives_shares(workspace, receives, request.user):
        messages.info(request, _("No changes to save."))
    elif receives:
        messages.success(request, _("%(workspace)s receives shared versions.") % {"workspace": workspace})
    else:
        messages.success(
            request, _("%(workspace)s no longer receives shared versions.") % {"workspace": workspace}
        )
    return redirect(tab_url(workspace, "sharing"))


@require_POST
@login_required
def change_protected_labels(request: StudioRequest, workspace: str) -> HttpResponse:
    """Choose the labels that only owners move."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    typed = request.POST.get("labels", "").replace("\0", "")[:5_000]
    try:
        changed = set_protected_labels(workspace, typed.replace(",", " ").split(), request.user)
    except ServiceError as problem:
        return settings_page(request, workspace, "sharing", typed=typed, problem=problem)
    if changed:
        messages.success(request, _("Protected labels saved."))
    else:
        messages.info(request, _("No changes to save."))
    return redirect(tab_url(workspace, "sharing"))


TAB = Tab(
    25, "sharing", gettext_lazy("Sharing"), Right.SEE_SETTINGS, "studio/_settings_sharing.html", sharing_tab
)
