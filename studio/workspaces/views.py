"""Making a workspace, and giving it another title."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from environments.access import Right, get_workspace, may
from environments.models import Workspace
from environments.settings_views import TABS, Shown, Tab, page_of, tab_address
from environments.workspaces import (
    WorkspaceRefused,
    create_workspace,
    may_create_workspaces,
    rename_workspace,
)

NOT_YOURS = gettext_lazy("Workspaces are made by whoever runs this studio: ask them for one.")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new_workspace(request: HttpRequest) -> HttpResponse:
    """Ask for a title and a name, and make the workspace."""
    if not may_create_workspaces(request.user):
        raise PermissionDenied(NOT_YOURS)
    if request.method != "POST":
        return render(request, "studio/new_workspace.html", {"typed": {}})
    typed = {name: request.POST.get(name, "").replace("\0", "") for name in ("title", "name")}
    try:
        made = create_workspace(**typed, by=cast(User, request.user))
    except WorkspaceRefused as problem:
        return render(request, "studio/new_workspace.html", {"typed": typed, "problem": problem}, status=422)
    messages.success(
        request, _("%(title)s is there, and yours. Next, add its members.") % {"title": made.title}
    )
    return redirect(tab_address(made, "members"))


@require_POST
@login_required
def rename(request: HttpRequest, workspace: str) -> HttpResponse:
    """Give the workspace another title."""
    place = get_workspace(request.user, workspace, Right.MANAGE_SETTINGS)
    typed = request.POST.get("title", "")
    try:
        changed = rename_workspace(place, typed, cast(User, request.user))
    except WorkspaceRefused as problem:
        return page_of(request, place, "general", typed=typed, problem=problem)
    if changed:
        messages.success(request, _("The workspace is called %(title)s now.") % {"title": place.title})
    else:
        messages.info(request, _("Nothing was changed: that is how it was."))
    return redirect(tab_address(place, "general"))


def _general(request: HttpRequest, place: Workspace) -> Shown:
    return {"may_manage": may(request.user, Right.MANAGE_SETTINGS, place), "typed": place.title}


TABS.append(
    Tab("general", gettext_lazy("General"), Right.SEE_SETTINGS, "studio/_settings_general.html", _general)
)
