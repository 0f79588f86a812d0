"""The settings' tab of the policy for uploads."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from environments.access import Right, get_workspace, may
from environments.models import Workspace
from environments.requests import StudioRequest
from environments.workspaces.settings_views import settings_page, tab_url
from environments.workspaces.tabs import Tab, TabContext
from environments.workspaces.uploads import (
    UploadsRefused,
    read_exceptions,
    set_upload_policy,
    upload_policy,
    write_exceptions,
)


def uploads_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    policy = upload_policy(workspace)
    typed = {
        "limit": policy.as_of or policy.newest,
        "exceptions": write_exceptions(policy.exceptions),
    }
    return {
        "may_manage": may(request.user, Right.MANAGE_SETTINGS, workspace),
        "typed": typed,
        "policy": policy,
    }


@never_cache
@require_POST
@login_required
def change_uploads(request: StudioRequest, workspace: str) -> HttpResponse:
    """Change how old packages must be."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    typed = {name: request.POST.get(name, "") for name in ("limit", "exceptions")}
    try:
        exceptions = read_exceptions(typed["exceptions"])
        changed = set_upload_policy(workspace, typed["limit"], exceptions, request.user)
    except UploadsRefused as problem:
        return settings_page(request, workspace, "uploads", typed=typed, problem=problem)
    if not changed:
        messages.info(request, _("No changes to save."))
    elif workspace.cutoff:
        messages.success(request, _("Policy saved. Builds skip packages that are too new."))
    else:
        messages.success(request, _("Policy removed. Packages of any age are used."))
    return redirect(tab_url(workspace, "uploads"))


TAB = Tab(
    25,
    "uploads",
    gettext_lazy("Uploads"),
    Right.SEE_SETTINGS,
    "environments/_settings_uploads.html",
    uploads_tab,
)
