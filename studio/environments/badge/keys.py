"""Owners create and revoke the keys of an environment's badge."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from environments.access import Right, get_environment
from environments.errors import ServiceError
from environments.models import Environment
from environments.requests import StudioRequest
from environments.sharing.badge_keys import create_key, revoke_key


@require_POST
@login_required
def create(request: StudioRequest, workspace: str, name: str) -> HttpResponse:
    """Create a key."""
    environment = get_environment(request.user, workspace, name, Right.MANAGE_SETTINGS)
    try:
        key = create_key(environment, request.POST.get("key_name", ""), request.user)
    except ServiceError as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        messages.success(request, _("Badge key “%(name)s” created.") % {"name": key.name})
    return _back(environment)


@require_POST
@login_required
def revoke(request: StudioRequest, workspace: str, name: str, key: int) -> HttpResponse:
    """Revoke a key."""
    environment = get_environment(request.user, workspace, name, Right.MANAGE_SETTINGS)
    revoked = revoke_key(environment, key, request.user)
    messages.success(
        request,
        _("Badge key “%(name)s” revoked. Badges with it are no longer shown.") % {"name": revoked.name},
    )
    return _back(environment)


def _back(environment: Environment) -> HttpResponse:
    return redirect(f"{reverse('environment', args=[environment.workspace.name, environment.name])}#badge")
