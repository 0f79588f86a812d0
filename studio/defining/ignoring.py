"""Findings that an environment's people have read and no longer want to see: warnings and notes, never errors."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from environments.access import Right, get_environment
from environments.models import Version
from environments.requests import StudioRequest
from environments.versions.ignored import ignore_finding, restore_finding


def ignore_url(version: Version) -> str:
    """Return the address that ignores findings of a version's environment."""
    environment = version.environment
    return reverse("ignore_finding", args=[environment.workspace.name, environment.name])


@require_POST
@login_required
def ignore(request: StudioRequest, workspace: str, name: str) -> HttpResponse:
    """Ignore a finding in an environment, or show it again."""
    environment = get_environment(request.user, workspace, name, Right.DEFINE)
    change_ignored(request, environment)
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        return redirect("environment", environment.workspace.name, environment.name)
    return redirect(back)


def change_ignored(request: StudioRequest, environment: Any) -> None:
    """Do what the form's button names: `ignore` or `restore` with a code. Raises ServiceError."""
    if code := request.POST.get("ignore"):
        ignore_finding(environment, code, request.user)
    elif code := request.POST.get("restore"):
        restore_finding(environment, code, request.user)
