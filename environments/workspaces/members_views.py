"""The settings' tab of the members."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from environments.access import Right, get_workspace
from environments.models import Member, Role
from environments.requests import StudioRequest
from environments.workspaces.members import MemberRefused, remove_member, set_member_role
from environments.workspaces.settings_views import settings_page, tab_url


@require_POST
@login_required
def set_role(request: StudioRequest, workspace: str) -> HttpResponse:
    """Add a member, or change a member's role."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    name = request.POST.get("user", "").strip()
    role = next((role for role in Role if role.label == request.POST.get("role")), Role.READER)
    try:
        change = set_member_role(workspace, name, role, request.user)
    except MemberRefused as problem:
        return settings_page(
            request, workspace, "members", typed={"user": name, "role": role.label}, problem=problem
        )
    names = {"person": name, "role": _(role.label), "workspace": workspace.title}
    if change.added:
        messages.success(request, _("%(person)s joined %(workspace)s with the role %(role)s.") % names)
    else:
        messages.success(request, _("%(person)s now has the role %(role)s in %(workspace)s.") % names)
    return redirect(tab_url(workspace, "members"))


@require_POST
@login_required
def remove(request: StudioRequest, workspace: str) -> HttpResponse:
    """Remove a member; every member may leave."""
    name = request.POST.get("user", "").strip()
    leaves = name == request.user.get_username()
    workspace = get_workspace(request.user, workspace, Right.SEE if leaves else Right.MANAGE_MEMBERS)
    try:
        remove_member(workspace, name, request.user)
    except MemberRefused as problem:
        return settings_page(request, workspace, "members", problem=problem)
    except Member.DoesNotExist as problem:
        raise Http404(f"{name} is not a member of {workspace}.") from problem
    names = {"person": name, "workspace": workspace.title}
    if leaves:
        messages.success(request, _("You left %(workspace)s.") % names)
    else:
        messages.success(request, _("%(person)s was removed from %(workspace)s.") % names)
    return redirect("home") if leaves else redirect(tab_url(workspace, "members"))
