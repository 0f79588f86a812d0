"""Bulk actions of the list of environments: compare two, build, archive."""

from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from builds.queue.requests import QueueFull, StateConflict, request_build
from environments.access import Right, get_workspace
from environments.errors import ServiceError
from environments.models import Environment, Workspace
from environments.requests import StudioRequest
from environments.versions.service import archive_environment
from environments.versions.views import version_named
from studio.signing_in.views import redirect_back

MAX_ENVIRONMENTS = 100  # more than a list has on a page


@require_POST
@login_required
def compare(request: StudioRequest, workspace: str) -> HttpResponse:
    """Compare the latest versions of two environments, the older one first."""
    get_workspace(request.user, workspace)
    chosen = request.POST.getlist("environment")
    if len(chosen) != 2:
        messages.error(request, _("Choose two environments to compare."))
        return _back(request, chosen)
    versions = sorted(
        (version_named(request.user, reference) for reference in chosen),
        key=lambda version: version.created_at,
    )
    sides = {
        side: f"{version.environment.workspace.name}/{version.environment.name}:{version.version}"
        for side, version in zip("ab", versions, strict=True)
    }
    return redirect(f"{reverse('compare', args=[workspace])}?{urlencode(sides)}")


@require_POST
@login_required
def build(request: StudioRequest, workspace: str) -> HttpResponse:
    """Request an image of the latest version of each chosen environment."""
    workspace = get_workspace(request.user, workspace, Right.BUILD)
    started = ready = 0
    kept: list[str] = []
    for environment in _chosen_environments(request, workspace):
        version = environment.latest() or environment.versions.order_by("-number")[0]
        try:
            pending = request_build(version, request.user).build is not None
        except StateConflict as problem:
            messages.error(request, f"{version}: {problem}")
            kept.append(environment.name)
            if isinstance(problem, QueueFull):
                break  # it is full for the others too
            continue
        started, ready = started + pending, ready + (not pending)
    if started:
        message = ngettext(
            "%(count)d build requested.",
            "%(count)d builds requested.",
            started,
        )
        messages.success(request, message % {"count": started})
    if ready:
        message = ngettext(
            "%(count)d environment is already built.", "%(count)d environments are already built.", ready
        )
        messages.info(request, message % {"count": ready})
    return _back(request, (f"{workspace.name}/{name}" for name in kept))


@require_POST
@login_required
def archive(request: StudioRequest, workspace: str) -> HttpResponse:
    """Hide environments and all their versions, or show them again (rule 33)."""
    workspace = get_workspace(request.user, workspace, Right.DEFINE)
    restore = request.POST.get("restore") == "yes"
    changed = 0
    kept: list[str] = []
    for environment in _chosen_environments(request, workspace):
        if (environment.archived_at is None) is restore:
            continue  # nothing to change
        try:
            archive_environment(environment, request.user, restore=restore)
        except ServiceError as problem:
            messages.error(request, f"{problem.message} {problem.help}")
            kept.append(environment.name)
        else:
            changed += 1
    if changed and restore:
        message = ngettext(
            "%(count)d environment restored.",
            "%(count)d environments restored.",
            changed,
        )
        messages.success(request, message % {"count": changed})
    elif changed:
        message = ngettext(
            "%(count)d environment archived. It can still be used; “Show archived” lists it.",
            "%(count)d environments archived. They can still be used; “Show archived” lists them.",
            changed,
        )
        messages.success(request, message % {"count": changed})
    return _back(request, (f"{workspace.name}/{name}" for name in kept))


def _back(request: StudioRequest, chosen: Iterable[str]) -> HttpResponse:
    """Return to the list with these environments still chosen."""
    back = redirect_back(request)
    url = urlsplit(back["Location"])
    params = QueryDict(url.query, mutable=True)
    params.setlist("chosen", list(chosen)[:MAX_ENVIRONMENTS])
    return HttpResponseRedirect(url._replace(query=params.urlencode()).geturl())


def _chosen_environments(request: StudioRequest, workspace: Workspace) -> list[Environment]:
    """Return the chosen environments of the workspace that still exist."""
    chosen = request.POST.getlist("environment")[:MAX_ENVIRONMENTS]
    names = [
        name.removeprefix(f"{workspace.name}/") for name in chosen if name.startswith(f"{workspace.name}/")
    ]
    environments = list(workspace.environments.named().filter(name__in=names).order_by("name"))
    if not environments:
        messages.error(request, _("Choose at least one environment."))
    return environments
