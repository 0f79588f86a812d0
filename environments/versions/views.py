"""Environments by themselves, as pages: archiving."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from environments import services
from environments.access import Right, get_environment, get_version
from environments.models import Version


@require_POST
@login_required
def archive(request: HttpRequest, workspace: str, name: str) -> HttpResponse:
    """Hide an environment and all its versions, or show them again (rule 33)."""
    environment = get_environment(request.user, workspace, name, Right.DEFINE)
    restore = request.POST.get("restore") == "yes"
    try:
        services.archive_environment(environment, request.user, restore=restore)  # type: ignore[arg-type]
    except services.Refused as problem:
        messages.error(request, f"{problem.message} {problem.help}")
        return redirect("environment", workspace, name)
    if restore:
        messages.success(
            request,
            _("%(environment)s and all its versions are back in the list.") % {"environment": environment},
        )
    else:
        messages.success(
            request,
            _("%(environment)s is archived: hidden from the list, still readable and usable.")
            % {"environment": environment},
        )
    return redirect("environment", workspace, name)


@require_POST
@login_required
def archive_version(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Hide one version, or show it again (rule 33)."""
    found = get_version(request.user, workspace, name, version, Right.DEFINE)
    restore = request.POST.get("restore") == "yes"
    try:
        services.archive_version(found, request.user, restore=restore)  # type: ignore[arg-type]
    except services.Refused as problem:
        messages.error(request, f"{problem.message} {problem.help}")
    else:
        said = (
            _("%(version)s is back.")
            if restore
            else _("%(version)s is archived: never the latest, still readable and usable.")
        )
        messages.success(request, said % {"version": found})
    return redirect(f"{reverse('environment', args=[workspace, name])}?tab=versions#version-{found.number}")


def version_named(request: HttpRequest, reference: str) -> Version:
    """Return the version that `workspace/name:version` means; 404 for what this person cannot see."""
    workspace, slash, rest = reference.partition("/")
    name, _, version = rest.partition(":")
    if not slash or not name:
        raise Http404(f"{reference} is not workspace/name:version.")
    return get_version(request.user, workspace, name, version or "latest")
