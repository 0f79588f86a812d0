"""Archiving and restoring environments and versions."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from environments.access import Right, get_environment, get_version
from environments.errors import ServiceError
from environments.models import Version
from environments.requests import StudioRequest
from environments.versions import service


@require_POST
@login_required
def archive(request: StudioRequest, workspace: str, name: str) -> HttpResponse:
    """Hide an environment and all its versions, or show them again (rule 33)."""
    environment = get_environment(request.user, workspace, name, Right.DEFINE)
    restore = request.POST.get("restore") == "yes"
    try:
        service.archive_environment(environment, request.user, restore=restore)
    except ServiceError as problem:
        messages.error(request, f"{problem.message} {problem.help}")
        return redirect("environment", workspace, name)
    if restore:
        messages.success(
            request,
            _("%(environment)s and all its versions are restored.") % {"environment": environment},
        )
    else:
        messages.success(
            request,
            _("%(environment)s is archived: hidden from lists, still readable and usable.")
            % {"environment": environment},
        )
    return redirect("environment", workspace, name)


@require_POST
@login_required
def archive_version(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Hide a version, or show it again (rule 33)."""
    row = get_version(request.user, workspace, name, version, Right.DEFINE)
    restore = request.POST.get("restore") == "yes"
    try:
        service.archive_version(row, request.user, restore=restore)
    except ServiceError as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        message = (
            _("%(version)s is restored.")
            if restore
            else _("%(version)s is archived: never the latest, still readable and usable.")
        )
        messages.success(request, message % {"version": row})
    return redirect(f"{reverse('environment', args=[workspace, name])}?tab=versions#version-{row.number}")


def version_named(user: User, reference: str) -> Version:
    """Return the version that `workspace/name:version` or `workspace/name@label` names; 404 if the user cannot see it.

    Behind “:” a label is accepted too; behind “@” a version's own name is not.
    """
    workspace, slash, named = reference.partition("/")
    by_label = "@" in named and ":" not in named
    name, _, version = named.partition("@" if by_label else ":")
    if not slash or not name or (by_label and not version):
        raise Http404(f"{reference} is not workspace/name:version.")
    row = get_version(user, workspace, name, version or "latest")
    if by_label and version == row.version:
        raise Http404(f"{row.environment} has no label {version}.")
    return row
