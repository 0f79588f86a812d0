"""The page that searches everything; its results alone are what the palette shows."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from environments.access import get_workspace
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from studio.search.commands import commands_for
from studio.search.results import search_everything

LONGEST_QUERY = 200


@require_safe
@login_required
def search(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show what a query matches: environments, versions, builds, images, packages, people, pages and commands."""
    workspace = get_workspace(request.user, workspace)
    query = query_param(request, "q")[:LONGEST_QUERY]
    groups = search_everything(workspace, request.user, query, commands_for(workspace, request.user))
    context = {
        "workspace": workspace,
        "everything": query,
        "groups": groups,
        "result_count": sum(len(group.results) for group in groups),
    }
    palette = request.GET.get("part") == "palette"
    return render(request, f"studio/{'_palette_results' if palette else 'search'}.html", context)
