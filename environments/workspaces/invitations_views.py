"""The settings tab's part for invitations."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from environments.access import Right, get_workspace
from environments.models import Invitation, Role
from environments.public_url import absolute_url
from environments.requests import StudioRequest
from environments.workspaces.invitations import InvitationRefused, create_invitation, revoke_invitation
from environments.workspaces.settings_views import settings_page, tab_url


@never_cache
@require_POST
@login_required
def invite(request: StudioRequest, workspace: str) -> HttpResponse:
    """Create an invitation: only this response shows its link."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    role = next((role for role in Role if role.label == request.POST.get("role")), Role.READER)
    try:
        invitation, secret = create_invitation(workspace, role, request.user)
    except InvitationRefused as problem:
        return settings_page(request, workspace, "members", problem=problem)
    link = absolute_url(f"/invitations/{secret}/", request)
    return settings_page(request, workspace, "members", invitation=invitation, link=link)


@require_POST
@login_required
def revoke(request: StudioRequest, workspace: str, invitation: int) -> HttpResponse:
    """Revoke an invitation that nobody has used."""
    workspace = get_workspace(request.user, workspace, Right.MANAGE_MEMBERS)
    row = get_object_or_404(Invitation, pk=invitation, workspace=workspace)
    revoke_invitation(row, request.user)
    if row.used_at is None:
        messages.success(request, _("Invitation revoked. Its link no longer works."))
    else:
        messages.warning(request, _("This invitation was already used. Remove the member instead."))
    return redirect(tab_url(workspace, "members"))
