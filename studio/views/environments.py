"""Environments with their images and builds: the list, and one environment with its versions."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from builds import queries, services
from builds.expected import expectation, expectation_of
from builds.exports import FORMATS, lock_as
from builds.images.lock import Lock
from builds.models import Image
from builds.packages import find
from builds.pages import pull_command
from environments.access import Right, get_environment, get_version, get_workspace, may, rights_in
from environments.definition import CannotWrite, read
from environments.definition.constraints import BadConstraint
from environments.definition.secrets import masked
from environments.deprecations import deprecations_of
from environments.events import events_of
from environments.forms import DescribeForm, asked_for, write_tags
from environments.given import remarks
from environments.lists import (
    DEFAULT_SORT,
    MOST_FOUND,
    SORTS,
    Counted,
    Pages,
    count_listed,
    counted,
    listed,
)
from environments.models import Version, Workspace
from environments.services import described_as, save_reading
from environments.uses import uses_of
from studio.first_build import FIRST_DEFINITION, FIRST_NAME
from studio.how_to_use import snippets
from studio.views.columns import COLUMNS, active_uses, chosen_columns, column_query, short_address
from studio.views.context import context
from studio.views.curation import curation_of
from studio.views.packages import packages
from studio.views.uses import uses
from studio.views.versions import versions

ROWS = 25
NOT_IN_LISTS = ("version__data", "version__source")  # long, and not shown


@require_safe
@login_required
@vary_on_headers("HX-Request")
def environments(request: HttpRequest, workspace: str) -> HttpResponse:
    """Show the environments of a workspace, or the curated ones."""
    place = get_workspace(request.user, workspace)
    catalogue = place if place.curated else Workspace.objects.filter(curated=True).first()
    tab = "curated" if place.curated or request.GET.get("tab") == "curated" else "custom"
    shown = catalogue if tab == "curated" and catalogue is not None else place
    archived = request.GET.get("archived") == "1"
    query = asked_for(request, "q")
    default = "name" if tab == "curated" else DEFAULT_SORT
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else default
    found, problem = listed(shown, archived=archived), ""
    try:
        found = find(found, query, shown)
    except BadConstraint as wrong:
        found, problem = found.none(), str(wrong)
    found = found.order_by(*SORTS[sort])
    found = found.select_related("version__environment__workspace", "version__created_by")
    found, most = found.defer("words", *NOT_IN_LISTS), MOST_FOUND if query else None
    page = Pages(found, ROWS, most=most).get_page(request.GET.get("page"))
    versions = [row.version for row in page]
    part = request.htmx and not request.htmx.history_restore_request  # type: ignore[attr-defined]
    columns = chosen_columns(request)
    # What is not shown is not looked for.
    built = {"image", "size"} & set(columns)
    states = queries.image_states(shown, [version.hash for version in versions] if built else [])
    used = active_uses([version.environment_id for version in versions]) if "uses" in columns else {}
    counts = count_listed([place, *([catalogue] if catalogue else [])])
    context = {
        "place": place,
        "shown": shown,
        "tab": tab,
        "query": query,
        "problem": problem,
        "archived": archived,
        "sort": sort,
        "page": page,
        "rows": [
            (version, states.get(version.hash, queries.NOT_BUILT), used.get(version.environment_id, 0))
            for version in versions
        ],
        "leaving": deprecations_of(versions) if tab == "curated" else {},
        "part": part,
        "here": short_address(request, columns),
        "columns": columns,
        "all_columns": COLUMNS.items(),
        "column_query": column_query(columns),
        "custom_count": counts[place.pk],
        "curated_count": counts[catalogue.pk] if catalogue else Counted(0),
        "writes_here": may(request.user, Right.DEFINE, place) and not place.curated,
    }
    response = render(request, f"studio/{'_' if part else ''}environments.html", context)
    if part:
        response.headers["HX-Push-Url"] = short_address(request, columns)
    return response


@require_POST
@login_required
def first(request: HttpRequest, workspace: str) -> HttpResponse:
    """Save a small definition and build it: the one button of an empty workspace."""
    place = get_workspace(request.user, workspace, Right.DEFINE)
    user: Any = request.user
    saved = save_reading(
        place,
        FIRST_NAME,
        read(FIRST_DEFINITION, "requirements.txt", default_image=settings.DEFAULT_BASE),
        source=FIRST_DEFINITION,
        user=user,
    )
    try:
        asked = services.request_build(saved.version, user)
    except services.NotPossible as problem:
        messages.error(request, str(problem))
        return redirect("version", workspace, FIRST_NAME, saved.version.version)
    if asked.build is None:
        messages.success(
            request,
            _("%(version)s is ready at once: its definition has an image already.")
            % {"version": saved.version},
        )
        return redirect("version", workspace, FIRST_NAME, saved.version.version)
    return redirect("builds:build", workspace, asked.build.pk)


TABS = ("details", "context", "packages", "versions", "builds", "uses", "activity")


@require_safe
@login_required
def environment(request: HttpRequest, workspace: str, name: str) -> HttpResponse:
    """Show an environment at its latest version."""
    found = get_environment(request.user, workspace, name)
    # An archived environment has no latest version (rule 31); it stays readable, so its newest one is shown.
    version = found.latest() or found.versions.order_by("-number")[0]
    return show(request, version)


@require_safe
@login_required
def version(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponse:
    """Show one version of an environment."""
    return show(request, get_version(request.user, workspace, name, version))


@require_safe
@login_required
def lock(request: HttpRequest, workspace: str, name: str, version: str, format: str) -> HttpResponse:
    """Send the exact packages of a version's image: as a lock, or as a bill of materials."""
    found = get_version(request.user, workspace, name, version)
    image = services.image_of(found)
    if image is None or format not in FORMATS:
        raise Http404(f"There is no {format} of {found}: it needs an image, and one of {', '.join(FORMATS)}.")
    try:
        text = lock_as(Lock.model_validate(image.lock), format, str(found))
    except CannotWrite as problem:
        raise Http404(f"{found} cannot be written as {format}: {problem}") from problem
    file, kind = FORMATS[format]
    response = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{found.version}-{file}"'
    return response


def show(
    request: HttpRequest, version: Version, *, more: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """Return the environment's page at this version, with the tab that was asked for and what `more` says."""
    environment = version.environment
    place = environment.workspace
    outlook = services.outlook(version)
    image = outlook.image or services.image_of(version)
    tab = request.GET.get("tab", "details")
    tab = tab if tab in TABS and (tab != "packages" or image) else "details"
    latest = environment.latest()
    here = rights_in(place, request.user)
    context = {
        "place": place,
        "environment": environment,
        "version": version,
        "latest": latest,
        "versions": environment.versions.defer("data", "source").order_by("-number")[:200],
        "outlook": outlook,
        "image": image,
        "tab": tab,
        "here": here,
        "curation": curation_of(version, here),
        "reference": f"{place.name}/{environment.name}:{version.version}",
        "builds_count": counted(queries.builds_of(environment)),
        "versions_count": environment.versions.count(),
        "uses_count": counted(uses_of(environment, request.user, state="active")),
    }
    context |= TAB_CONTEXT[tab](request, context) | (more or {})
    return render(request, "studio/environment.html", context, status=status)


def _details(request: HttpRequest, page: dict[str, Any]) -> dict[str, Any]:
    version: Version = page["version"]
    image = page["image"]
    return (
        {
            "definition": version.definition,
            "channels": [masked(channel) for channel in version.definition.python.channels],
            "findings": remarks(version),
            "sharing": services.versions_sharing(page["place"], version.hash),
            "expected": expected_for(version, page["outlook"]),
            "pull": pull_command(image, request.get_host()) if image else "",
            "seen": described_as(version),
        }
        | _how_to_use(request, version, image)
        | _about(request, page)
    )


def _how_to_use(request: HttpRequest, version: Version, image: Image | None) -> dict[str, Any]:
    """Return the ways to use a version, and the one that the address asks for."""
    ways = snippets(version, image, request.build_absolute_uri("/"), request.user.get_username())
    asked = request.GET.get("use", "")
    return {"ways": ways, "way": next((one for one in ways if one.key == asked), ways[0] if ways else None)}


def _about(request: HttpRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return the form for description and tags, where the address asks for it and this person may."""
    version: Version = page["version"]
    if request.GET.get("edit") != "about" or not page["here"]["define"]:
        return {}
    return {"about": DescribeForm({"description": version.description, "tags": write_tags(version.tags)})}


def expected_for(version: Version, outlook: services.Outlook) -> str:
    """Return how long the build under way, or one that somebody starts now, is likely to take."""
    if outlook.image is not None:
        return ""
    if outlook.build is not None:
        return expectation(outlook.build, queries.steps_shown(outlook.build))
    return expectation_of(version)


def _builds(request: HttpRequest, page: dict[str, Any]) -> dict[str, Any]:
    return {"page": Pages(queries.builds_of(page["environment"]), ROWS).get_page(request.GET.get("page"))}


def _activity(request: HttpRequest, page: dict[str, Any]) -> dict[str, Any]:
    events = events_of(page["place"]).filter(environment=page["environment"])
    return {"page": Pages(events, 50).get_page(request.GET.get("page"))}


TAB_CONTEXT = {
    "details": _details,
    "context": context,
    "packages": packages,
    "versions": versions,
    "builds": _builds,
    "uses": uses,
    "activity": _activity,
}
