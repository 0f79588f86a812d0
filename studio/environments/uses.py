"""What uses an environment, as the tab of its page shows it; and the end of a use that nobody reported."""

import json
import shlex
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from environments.access import Right, get_environment, get_workspace, workspaces_of
from environments.forms import asked_for
from environments.lists import Pages
from environments.models import Use, Version
from environments.uses import end_use, hidden_uses, uses_of

ROWS = 25


def uses(request: HttpRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return what the tab “Used by” shows."""
    environment = page["environment"]
    kind, state = request.GET.get("kind", ""), request.GET.get("state", "")
    words = asked_for(request, "q")
    found = uses_of(environment, request.user, kind=kind, state=state, words=words)
    return {
        "page": Pages(found, ROWS).get_page(request.GET.get("page")),
        "kinds": Use.Kind.choices,
        "kind": kind,
        "state": state,
        "filter": words,
        "filtered": bool(kind or state or words),
        "hidden": hidden_uses(environment, request.user),
        "how_to_report": how_to_report(request, page["version"]),
        "reports_in": set(workspaces_of(request.user, Right.REPORT_USES).values_list("pk", flat=True)),
    }


def how_to_report(request: HttpRequest, version: Version) -> str:
    """Return the command by which a use of this version is reported."""
    place, name = version.environment.workspace.name, version.environment.name
    address = request.build_absolute_uri(
        f"/api/v1/workspaces/{place}/environments/{name}/versions/{version.version}/uses/"
    )
    told: dict[str, object] = {"kind": "run", "name": "train-41"}
    if version.environment.workspace.curated:
        told["workspace"] = "…"  # who uses it is elsewhere
    return (
        f'curl --header "Authorization: Bearer $STUDIO_TOKEN" \\\n'
        f"    --header 'Content-Type: application/json' \\\n"
        f"    --data '{json.dumps(told, ensure_ascii=False)}' \\\n    {shlex.quote(address)}\n"
    )


@require_POST
@login_required
def end(request: HttpRequest, workspace: str, name: str, use: int) -> HttpResponse:
    """Note that a use has ended, for what ended without saying so."""
    environment = get_environment(request.user, workspace, name)
    found = uses_of(environment, request.user).filter(pk=use).first()
    if found is None:
        raise Http404(f"{environment} has no such use.")
    get_workspace(request.user, found.workspace.name, Right.REPORT_USES)
    end_use(found, request.user)  # type: ignore[arg-type]
    messages.success(request, _("%(use)s has ended.") % {"use": found.name})
    return redirect(f"{reverse('environment', args=[workspace, name])}?tab=uses")
