"""The first build: the sample that an empty workspace offers."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from builds.queue import requests
from environments.access import Right, get_workspace
from environments.definition import read
from environments.models import Version
from environments.requests import StudioRequest
from environments.versions.service import save_reading

FIRST_NAME = "first-environment"
FIRST_DEFINITION = """\
# A first environment: two small packages, pinned.
packaging==24.2
tabulate==0.9.0
"""


@require_POST
@login_required
def first(request: StudioRequest, workspace: str) -> HttpResponse:
    """Save and build a small definition, to start an empty workspace."""
    workspace = get_workspace(request.user, workspace, Right.DEFINE)
    saved = save_reading(
        workspace,
        FIRST_NAME,
        read(FIRST_DEFINITION, "requirements.txt", default_image=settings.DEFAULT_BASE),
        source=FIRST_DEFINITION,
        user=request.user,
    )
    return _build(request, saved.version)


def _build(request: StudioRequest, version: Version) -> HttpResponse:
    """Request the build of a version, and lead to it, or to the version whose image exists."""
    names = [version.environment.workspace.name, version.environment.name, version.version]
    try:
        requested = requests.request_build(version, request.user)
    except requests.StateConflict as problem:
        messages.error(request, str(problem))
        return redirect("version", *names)
    if requested.build is None:
        messages.success(
            request,
            _("%(version)s is ready: an image for this definition already exists.") % {"version": version},
        )
        return redirect("version", *names)
    return redirect("builds:build", names[0], requested.build.pk)
