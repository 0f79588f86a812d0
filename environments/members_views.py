"""The settings' tab of the members: who is in a workspace, with which role."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from environments.access import Right, get_workspace
from environments.members import MemberRefused, keep_member, remove_member
from environments.models import Member, Role
from environments.settings_views import page_of, tab_address


@require_POST
@login_required
def keep(request: HttpRequest, workspace: str) -> HttpResponse:
    """Add a member, or give one another role."""
    place = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    name = request.POST.get("user", "").strip().replace("\0", "")
    role = next((one for one in Role if one.label == request.POST.get("role")), Role.READER)
    try:
        kept = keep_member(place, name, role, cast(User, request.user))
    except MemberRefused as problem:
        return page_of(request, place, "members", typed={"user": name, "role": role.label}, problem=problem)
    told = {"person": name, "role": _(role.label), "workspace": place}
    if kept.added:
        messages.success(request, _("%(person)s is now %(role)s of %(workspace)s.") % told)
    else:
        messages.success(request, _("%(person)s is %(role)s of %(workspace)s.") % told)
    return redirect(tab_address(place, "members"))


@require_POST
@login_required
def remove(request: HttpRequest, workspace: str) -> HttpResponse:
    """Take a member out; everybody may go by themselves."""
    name = request.POST.get("user", "").strip().replace("\0", "")
    leaves = name == request.user.get_username()
    place = get_workspace(request.user, workspace, Right.SEE if leaves else Right.MANAGE_MEMBERS)
    try:
        remove_member(place, name, cast(User, request.user))
    except MemberRefused as problem:
        return page_of(request, place, "members", problem=problem)
    except Member.DoesNotExist as problem:
        raise Http404(f"{name} is no member of {place}.") from problem
    told = {"person": name, "workspace": place}
    if leaves:
        messages.success(request, _("You are no member of %(workspace)s any more.") % told)
    else:
        messages.success(request, _("%(person)s is no member of %(workspace)s any more.") % told)
    return redirect("home") if leaves else redirect(tab_address(place, "members"))
