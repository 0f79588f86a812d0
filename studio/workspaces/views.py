"""Create and rename workspaces."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from environments.access import Right, get_workspace, may
from environments.models import Workspace
from environments.requests import StudioRequest
from environments.workspaces.service import (
    WorkspaceRefused,
    create_workspace,
    may_create_workspaces,
    rename_workspace,
)
from environments.workspaces.settings_views import settings_page, tab_url
from environments.workspaces.tabs import Tab, TabContext

NOT_YOURS = gettext_lazy("Only admins create workspaces here. Ask an admin for a new one.")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new_workspace(request: StudioRequest) -> HttpResponse:
    """Create a workspace."""
    if not may_create_workspaces(request.user):
        raise PermissionDenied(NOT_YOURS)
    if request.method != "POST":
        return render(request, "studio/new_workspace.html", {"typed": {}})
    typed = {name: request.POST.get(name, "") for name in ("title", "name")}
    try:
        created = create_workspace(**typed, by=request.user)
    except WorkspaceRefused as problem:
        return render(request, "studio/new_workspace.html", {"typed": typed, "problem": problem}, status=422)
    messages.success(
        request, _("Workspace %(title)s created. Next, add its members.") % {"title": created.title}
    )
    return redirect(tab_url(created, "members"))


@require_POST
@login_required
def rename(request: StudioRequest, workspace: str) -> HttpResponse:
    """Change a workspace's title."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    typed = request.POST.get("title", "")
    try:
        changed = rename_workspace(workspace, typed, request.user)
    except WorkspaceRefused as problem:
        return settings_page(request, workspace, "general", typed=typed, problem=problem)
    if changed:
        messages.success(request, _("Workspace renamed to %(title)s.") % {"title": workspace.title})
    else:
        messages.info(request, _("No changes to save."))
    return redirect(tab_url(workspace, "general"))


def general_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    return {"may_manage": may(request.user, Right.MANAGE_SETTINGS, workspace), "typed": workspace.title}


TAB = Tab(
    5, "general", gettext_lazy("General"), Right.SEE_SETTINGS, "studio/_settings_general.html", general_tab
)
