"""Completing what somebody types into a definition, as JSON for the editor."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from environments.access import get_workspace
from environments.forms import asked_for
from studio import completion, starts


@require_safe
@login_required
def complete(request: HttpRequest, workspace: str) -> JsonResponse:
    """Return names of packages that begin with `q`, the versions of the package `name`, or base images with `q`."""
    place = get_workspace(request.user, workspace)
    kind, name = asked_for(request, "kind"), asked_for(request, "name")
    if kind == "base":
        found = completion.Completion(starts.bases_with(place, asked_for(request, "q")))
    elif name:
        found = completion.versions(request.user, kind, name)
    else:
        found = completion.names(request.user, kind, asked_for(request, "q"))
    return JsonResponse({"options": found.options, "more": found.more})
