"""Build a curated environment that is not built yet, for a member of any workspace who may build."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from builds.queue.requests import StateConflict, request_build
from environments.access import Right, get_workspace
from environments.models import Environment, Version
from environments.requests import StudioRequest


@require_POST
@login_required
def build_curated(request: StudioRequest, workspace: str, curated: str) -> HttpResponse:
    """Build the latest version of a curated environment: its definition has been reviewed, and all may use it."""
    get_workspace(request.user, workspace, Right.BUILD)
    version = curated_version(curated)
    environment = version.environment
    try:
        requested = request_build(version, request.user)
    except StateConflict as problem:
        messages.error(request, str(problem))
    else:
        if requested.build is None:
            messages.success(request, _("%(version)s is ready to use.") % {"version": version})
        else:
            messages.success(
                request,
                _("%(version)s is building. You'll be notified when it is ready.") % {"version": version},
            )
    return redirect("environment", environment.workspace.name, environment.name)


def curated_version(name: str) -> Version:
    """Return the latest version of a curated environment; raise Http404 if there is none, or it is retired."""
    environment = Environment.objects.listed().filter(workspace__curated=True, name=name).first()
    version = environment.latest() if environment is not None else None
    if version is None:
        raise Http404(f"The catalogue has no {name}.")
    return version
