"""The tab with an environment's uses, and ending a use by hand."""

import json
import shlex
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from environments.access import Right, get_environment, get_workspace, workspaces_of
from environments.models import Usage, Version
from environments.paging import KeysetPaginator
from environments.public_url import absolute_url
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from environments.versions.uses import end_use, hidden_uses, uses_of

ROWS = 25


def uses(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return the tab's context."""
    environment = page["environment"]
    kind, state = request.GET.get("kind", ""), request.GET.get("state", "")
    query = query_param(request, "q")
    matching = uses_of(environment, request.user, kind=kind, state=state, query=query)
    return {
        "page": KeysetPaginator(matching, ROWS).get_page(request.GET.get("page")),
        "kinds": Usage.Kind.choices,
        "kind": kind,
        "state": state,
        "filter": query,
        "filtered": bool(kind or state or query),
        "hidden": hidden_uses(environment, request.user),
        "how_to_report": how_to_report(request, page["version"]),
        "reports_in": set(workspaces_of(request.user, Right.REPORT_USES).values_list("pk", flat=True)),
    }


def how_to_report(request: StudioRequest, version: Version) -> str:
    """Return the command that reports a use of this version."""
    workspace, name = version.environment.workspace.name, version.environment.name
    address = absolute_url(
        f"/api/v1/workspaces/{workspace}/environments/{name}/versions/{version.version}/uses/", request
    )
    payload: dict[str, object] = {"kind": "run", "name": "train-41"}
    if version.environment.workspace.curated:
        payload["workspace"] = "…"  # its users are in other workspaces
    return (
        f'curl --header "Authorization: Bearer $STUDIO_TOKEN" \\\n'
        f"    --header 'Content-Type: application/json' \\\n"
        f"    --data '{json.dumps(payload, ensure_ascii=False)}' \\\n    {shlex.quote(address)}\n"
    )


@require_POST
@login_required
def end(request: StudioRequest, workspace: str, name: str, use: int) -> HttpResponse:
    """End a use that never reported its end."""
    environment = get_environment(request.user, workspace, name)
    current = uses_of(environment, request.user).filter(pk=use).first()
    if current is None:
        raise Http404(f"{environment} has no such use.")
    get_workspace(request.user, current.workspace.name, Right.REPORT_USES)
    end_use(current, request.user)
    messages.success(request, _("%(use)s is marked as ended.") % {"use": current.name})
    return redirect(f"{reverse('environment', args=[workspace, name])}?tab=uses")
