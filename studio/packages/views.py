"""The page of a package, and the list of a workspace's packages."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from environments.access import get_workspace
from environments.definition.packages.constraints import BadConstraint, Constraint
from environments.definition.packages.specs import pip_name
from environments.definition.packages.versions import is_newer
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from studio.packages.about import about
from studio.packages.holders import PackageVersion, neighbours, packages_of, requested_only, resolved

ROWS = 50
LONGEST_NAME = 200
MOST_VERSIONS = 30  # the newest; others are narrowed to by a search


@require_safe
@login_required
def package(request: StudioRequest, workspace: str, name: str) -> HttpResponse:
    """Show a package: who has it in which version, what requires it, and what the index says of it."""
    workspace = get_workspace(request.user, workspace)
    normal = pip_name(name)[:LONGEST_NAME]
    if normal != name:
        return redirect("package", workspace.name, normal)
    query = query_param(request, "q")[:400]
    constraint, problem = _constraint(normal, query)
    built = resolved(workspace, constraint)
    unbuilt = requested_only(workspace, constraint)
    dependants, dependencies, channel = neighbours(workspace, normal)
    ecosystem = next((held.ecosystem for held in (*built, *unbuilt)), "")
    known = about(normal, ecosystem, channel)
    context = {
        "workspace": workspace,
        "name": normal,
        "query": query,
        "problem": problem,
        "built": [(held, _outdated(held, known.newest)) for held in built[:MOST_VERSIONS]],
        "more_built": len(built) - MOST_VERSIONS,
        "unbuilt": unbuilt[:MOST_VERSIONS],
        "more_unbuilt": len(unbuilt) - MOST_VERSIONS,
        "environment_count": len({pk for held in (*built, *unbuilt) for pk in held.holders}),
        "dependants": dependants,
        "dependencies": dependencies,
        "ecosystem": ecosystem,
        "about": known,
    }
    return render(request, "studio/package.html", context)


def _constraint(name: str, query: str) -> tuple[Constraint, str]:
    """Return the package with the versions that a query such as `<2` allows, and what is wrong with the query."""
    if not query:
        return Constraint(name), ""
    text = query if query.startswith(("<", ">", "=", "!", "~")) else f"=={query}"
    try:
        return Constraint.parse(f"{name}{text}") or Constraint(name), ""
    except BadConstraint as error:
        return Constraint(name), str(error)


def _outdated(held: PackageVersion, newest: str) -> bool:
    return bool(newest) and held.ecosystem == "pypi" and is_newer(newest, held.text, "pip") is True


@require_safe
@login_required
def packages(request: StudioRequest, workspace: str) -> HttpResponse:
    """List the packages of a workspace's versions; a search such as `numpy<2` leads to the package's page."""
    workspace = get_workspace(request.user, workspace)
    query = query_param(request, "q")[:400]
    problem = ""
    try:
        constraint = Constraint.parse(query)
    except BadConstraint as error:
        constraint, problem = None, str(error)
    if constraint is not None:
        params = urlencode({"q": ",".join(map("".join, constraint.parts))})
        return redirect(f"{reverse('package', args=[workspace.name, constraint.name])}?{params}")
    rows = packages_of(workspace, pip_name(query)) if not problem else []
    context: dict[str, Any] = {
        "workspace": workspace,
        "query": query,
        "problem": problem,
        "page": Paginator(rows, ROWS).get_page(request.GET.get("page")),
        "title": _("Packages"),
    }
    return render(request, "studio/packages.html", context)
