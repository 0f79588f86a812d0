"""Autocompletion for the editor, as JSON."""

from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.views.decorators.http import require_safe

from environments.access import get_workspace
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from studio.defining import completion, starting_points


@require_safe
@login_required
def complete(request: StudioRequest, workspace: str) -> JsonResponse:
    """Return names of packages that begin with `q`, the versions of the package `name`, or base images with `q`."""
    workspace = get_workspace(request.user, workspace)
    kind, name = query_param(request, "kind"), query_param(request, "name")
    if kind == "base":
        options = completion.Completion(starting_points.matching_bases(workspace, query_param(request, "q")))
    elif name:
        options = completion.versions(request.user, kind, name)
    else:
        options = completion.names(request.user, kind, query_param(request, "q"))
    return JsonResponse({"options": options.options, "more": options.more})
