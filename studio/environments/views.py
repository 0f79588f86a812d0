"""The list of environments, and the page of an environment with its versions, images and builds."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from builds.healing.drift import drift_at
from builds.images.exports import FORMATS, lock_as
from builds.imaging.lock import Lock
from builds.pages import queries
from builds.pages.failure import failure_of
from builds.queue import requests
from environments.access import Right, get_environment, get_version, get_workspace, may, rights_in
from environments.audit.events import workspace_events
from environments.definition import CannotWrite
from environments.models import Version, Workspace
from environments.paging import KeysetPaginator, bounded_count
from environments.requests import StudioRequest, wants_partial
from environments.versions.anonymous import expires_at
from environments.versions.uses import uses_of
from studio.catalogue.curation import curation_of
from studio.catalogue.gallery import gallery_of
from studio.environments.bulk_actions import MAX_ENVIRONMENTS
from studio.environments.columns import COLUMNS, chosen_columns, column_query, short_url
from studio.environments.context import context
from studio.environments.details import details
from studio.environments.listing import (
    FILTER_FIELDS,
    ROWS,
    ListFilter,
    gallery_search,
    page_context,
    search_context,
    tab_counts,
    views_context,
)
from studio.environments.packages import packages
from studio.environments.summary.actions import actions_for
from studio.environments.summary.status import status_of
from studio.environments.switcher import switcher
from studio.environments.uses import uses
from studio.environments.versions import versions


@require_safe
@login_required
@vary_on_headers("HX-Request")
def environments(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show the environments of a workspace, or the curated ones."""
    workspace = get_workspace(request.user, workspace)
    catalogue = workspace if workspace.curated else Workspace.objects.filter(curated=True).first()
    chosen = ListFilter.read(request, workspace, catalogue)
    columns = chosen_columns(request)
    part = wants_partial(request)
    context = {
        "workspace": workspace,
        "part": part,
        "here": short_url(request, columns),
        "columns": columns,
        "all_columns": COLUMNS.items(),
        "column_query": column_query(columns),
        "writes_here": may(request.user, Right.DEFINE, workspace) and not workspace.curated,
        "chosen_before": request.GET.getlist("chosen")[:MAX_ENVIRONMENTS],
    }
    if chosen.tab == "curated" and request.GET.get("view") != "list":
        gallery = gallery_of(
            request,
            chosen.shown,
            chosen.search,
            archived=chosen.archived,
            sort=chosen.sort,
            problem=chosen.problem,
        )
        page = {"problem": gallery.problem, "page": gallery.page}
        context |= {name: getattr(chosen, name) for name in FILTER_FIELDS} | page | {"gallery": gallery}
        context |= gallery_search(chosen, gallery.page.paginator.total)
        context |= tab_counts(chosen, page, workspace, catalogue)
        return _pushed(
            request, render(request, f"studio/{'_' if part else ''}gallery.html", context), columns
        )
    page = page_context(chosen, columns, request.GET.get("page"))
    context |= {name: getattr(chosen, name) for name in FILTER_FIELDS} | page | search_context(chosen, page)
    context |= tab_counts(chosen, page, workspace, catalogue) | views_context(chosen, workspace)
    return _pushed(
        request, render(request, f"studio/{'_' if part else ''}environments.html", context), columns
    )


def _pushed(request: StudioRequest, response: HttpResponse, columns: list[str]) -> HttpResponse:
    """Return a response whose part of the page comes with the list's URL."""
    if wants_partial(request):
        response.headers["HX-Push-Url"] = short_url(request, columns)
    return response


TABS = ("details", "context", "packages", "versions", "builds", "uses", "activity")
ANONYMOUS_TABS = TABS[:3]  # the others are about all versions of an environment


@require_safe
@login_required
def environment(request: StudioRequest, workspace: str, name: str) -> HttpResponse:
    """Show an environment at its latest version."""
    current = get_environment(request.user, workspace, name)
    # An archived environment has no latest version (rule 31) but stays readable: its newest version is shown.
    latest = current.latest()
    return show(request, latest or current.versions.order_by("-number")[0], is_latest=latest is not None)


@require_safe
@login_required
def version(request: StudioRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Show one version of an environment."""
    return show(request, get_version(request.user, workspace, name, version))


@require_safe
@login_required
def lock(request: StudioRequest, workspace: str, name: str, version: str, format: str) -> HttpResponse:
    """Send the resolved packages of a version's image, as a lock or a bill of materials."""
    current = get_version(request.user, workspace, name, version)
    image = requests.image_of(current)
    if image is None or format not in FORMATS:
        raise Http404(
            f"There is no {format} of {current}: it needs an image, and one of {', '.join(FORMATS)}."
        )
    try:
        text = lock_as(Lock.model_validate(image.lock), format, str(current))
    except CannotWrite as problem:
        raise Http404(f"{current} cannot be written as {format}: {problem}") from problem
    file, kind = FORMATS[format]
    response = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{current.version}-{file}"'
    return response


def show(
    request: StudioRequest,
    version: Version,
    *,
    is_latest: bool = False,
    more: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    """Return the environment's page at a version, with the requested tab and the additional context `more`.

    With `is_latest` the version is known to be the latest; else that is looked up.
    """
    environment = version.environment
    workspace = environment.workspace
    image = requests.image_of(version)
    outlook = requests.image_status_with(version, image)
    state = status_of(version, image, base_updated=outlook.image is None)
    tab = request.GET.get("tab", "details")
    tabs = ANONYMOUS_TABS if environment.anonymous else TABS
    tab = tab if tab in tabs and (tab != "packages" or image) else "details"
    known = is_latest or environment.anonymous
    latest = version if known else environment.latest(without_content=True)
    rights = rights_in(workspace, request.user)
    context: dict[str, Any] = {
        "workspace": workspace,
        "environment": environment,
        "version": version,
        "latest": latest,
        "outlook": outlook,
        "image": image,
        "status": state,
        "failure": failure_of(state.failed) if state.failed else None,
        "tab": tab,
        "here": rights,
        "drift": drift_at(version) if image is not None and not environment.anonymous else None,
        "curation": curation_of(version, rights),
        "reference": f"{workspace.name}/{environment.name}:{version.version}",
        "builds_count": bounded_count(queries.builds_of(environment)),
        "versions_count": environment.versions.count(),
        "uses_count": bounded_count(uses_of(environment, request.user, state="active")),
        "actions": actions_for(request, version, state, rights, latest),
    }
    if environment.anonymous:
        context |= {"expires_at": expires_at(version)}
    else:
        context |= switcher(version, latest)
    context |= TAB_CONTEXT[tab](request, context) | (more or {})
    return render(request, "studio/environment.html", context, status=status)


def _builds(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    return {
        "page": KeysetPaginator(queries.builds_of(page["environment"]), ROWS).get_page(
            request.GET.get("page")
        )
    }


def _activity(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    events = workspace_events(page["workspace"]).filter(environment=page["environment"])
    return {"page": KeysetPaginator(events, 50).get_page(request.GET.get("page"))}


TAB_CONTEXT = {
    "details": details,
    "context": context,
    "packages": packages,
    "versions": versions,
    "builds": _builds,
    "uses": uses,
    "activity": _activity,
}
