"""The list of environments, and the page of an environment with its versions, images and builds."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from builds.images.exports import FORMATS, lock_as
from builds.images.platforms import deviations
from builds.images.repositories import name_of, pull_names
from builds.imaging.lock import Lock
from builds.models import Image
from builds.pages import queries
from builds.queue import requests
from builds.statistics.estimates import build_estimate, version_estimate
from environments.access import Right, get_environment, get_version, get_workspace, may, rights_in
from environments.audit.events import workspace_events
from environments.definition import CannotWrite, read
from environments.definition.findings.secrets import masked
from environments.models import Version, Workspace
from environments.paging import KeysetPaginator, bounded_count
from environments.requests import StudioRequest, wants_partial
from environments.versions.forms import DescribeForm, write_tags
from environments.versions.input import version_findings
from environments.versions.service import description_fingerprint, save_reading
from environments.versions.uses import uses_of
from studio.catalogue.curation import curation_of
from studio.catalogue.gallery import gallery_of
from studio.environments.bulk_actions import MAX_ENVIRONMENTS
from studio.environments.columns import COLUMNS, chosen_columns, column_query, short_url
from studio.environments.context import context
from studio.environments.first_build import FIRST_DEFINITION, FIRST_NAME
from studio.environments.how_to_use import snippets
from studio.environments.listing import (
    FILTER_FIELDS,
    ROWS,
    ListFilter,
    page_context,
    search_context,
    tab_counts,
    views_context,
)
from studio.environments.packages import packages
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
        context |= {name: getattr(chosen, name) for name in FILTER_FIELDS} | {
            "gallery": gallery_of(
                request, chosen.shown, query=chosen.query, archived=chosen.archived, sort=chosen.sort
            )
        }
        return render(request, f"studio/{'_' if part else ''}gallery.html", context)
    page = page_context(chosen, columns, request.GET.get("page"))
    context |= {name: getattr(chosen, name) for name in FILTER_FIELDS} | page | search_context(chosen, page)
    context |= tab_counts(chosen, page, workspace, catalogue) | views_context(chosen, workspace)
    response = render(request, f"studio/{'_' if part else ''}environments.html", context)
    if part:
        response.headers["HX-Push-Url"] = short_url(request, columns)
    return response


@require_POST
@login_required
def first(request: StudioRequest, workspace: str) -> HttpResponse:
    """Save and build a small definition, to start an empty workspace."""
    workspace = get_workspace(request.user, workspace, Right.DEFINE)
    user = request.user
    saved = save_reading(
        workspace,
        FIRST_NAME,
        read(FIRST_DEFINITION, "requirements.txt", default_image=settings.DEFAULT_BASE),
        source=FIRST_DEFINITION,
        user=user,
    )
    try:
        requested = requests.request_build(saved.version, user)
    except requests.StateConflict as problem:
        messages.error(request, str(problem))
        return redirect("version", workspace.name, FIRST_NAME, saved.version.version)
    if requested.build is None:
        messages.success(
            request,
            _("%(version)s is ready at once: its definition has an image already.")
            % {"version": saved.version},
        )
        return redirect("version", workspace.name, FIRST_NAME, saved.version.version)
    return redirect("builds:build", workspace.name, requested.build.pk)


TABS = ("details", "context", "packages", "versions", "builds", "uses", "activity")


@require_safe
@login_required
def environment(request: StudioRequest, workspace: str, name: str) -> HttpResponse:
    """Show an environment at its latest version."""
    current = get_environment(request.user, workspace, name)
    # An archived environment has no latest version (rule 31) but stays readable: its newest version is shown.
    version = current.latest() or current.versions.order_by("-number")[0]
    return show(request, version)


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
    request: StudioRequest, version: Version, *, more: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """Return the environment's page at a version, with the requested tab and the additional context `more`."""
    environment = version.environment
    workspace = environment.workspace
    outlook = requests.image_status(version)
    image = outlook.image or requests.image_of(version)
    tab = request.GET.get("tab", "details")
    tab = tab if tab in TABS and (tab != "packages" or image) else "details"
    latest = environment.latest()
    rights = rights_in(workspace, request.user)
    context = {
        "workspace": workspace,
        "environment": environment,
        "version": version,
        "latest": latest,
        "outlook": outlook,
        "image": image,
        "tab": tab,
        "here": rights,
        "curation": curation_of(version, rights),
        "reference": f"{workspace.name}/{environment.name}:{version.version}",
        "builds_count": bounded_count(queries.builds_of(environment)),
        "versions_count": environment.versions.count(),
        "uses_count": bounded_count(uses_of(environment, request.user, state="active")),
    }
    context |= switcher(version, latest)
    context |= TAB_CONTEXT[tab](request, context) | (more or {})
    return render(request, "studio/environment.html", context, status=status)


def _details(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    version: Version = page["version"]
    image = page["image"]
    return (
        {
            "definition": version.definition,
            "channels": [masked(channel) for channel in version.definition.python.channels],
            "findings": version_findings(version),
            "sharing": requests.versions_sharing(page["workspace"], version.hash),
            "expected": expected_duration(version, page["outlook"]),
            "pull": pull_names(image, request.get_host(), version) if image else None,
            "pull_builds": _pull_that_builds(request, page),
            "seen": description_fingerprint(version),
            **(_platforms(image) if image else {}),
        }
        | _how_to_use(request, version, image)
        | _about(request, page)
    )


def _pull_that_builds(request: StudioRequest, page: dict[str, Any]) -> str:
    """Return the command that builds and pulls a version without an image; empty where a pull builds nothing."""
    version: Version = page["version"]
    if page["image"] or not (page["here"]["build"] and settings.PULL_WAIT_SECONDS):
        return ""
    return f"docker pull {request.get_host()}/{name_of(version)}"


def _platforms(image: Image) -> dict[str, Any]:
    """Return the platforms of an image that is an index of several, and the packages that differ between them."""
    if "," not in image.platforms:
        return {}
    return {"parts": image.platform_rows.defer("lock"), "deviations": deviations(image)}


def _how_to_use(request: StudioRequest, version: Version, image: Image | None) -> dict[str, Any]:
    """Return the snippets of a version and the chosen snippet."""
    choices = snippets(version, image, request.build_absolute_uri("/"), request.user.get_username())
    key = request.GET.get("use", "")
    return {
        "ways": choices,
        "way": next((snippet for snippet in choices if snippet.key == key), choices[0] if choices else None),
    }


def _about(request: StudioRequest, page: dict[str, Any]) -> dict[str, Any]:
    """Return the form for description and tags, if it was requested and the user may edit."""
    version: Version = page["version"]
    if request.GET.get("edit") != "about" or not page["here"]["define"]:
        return {}
    return {"about": DescribeForm({"description": version.description, "tags": write_tags(version.tags)})}


def expected_duration(version: Version, outlook: requests.ImageStatus) -> str:
    """Return the expected duration of the running build, or of a build started now."""
    if outlook.image is not None:
        return ""
    if outlook.build is not None:
        return build_estimate(outlook.build, queries.steps_shown(outlook.build))
    return version_estimate(version)


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
    "details": _details,
    "context": context,
    "packages": packages,
    "versions": versions,
    "builds": _builds,
    "uses": uses,
    "activity": _activity,
}
