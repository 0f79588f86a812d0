"""First builds: the sample that an empty workspace offers, and a curated environment in one's own workspace."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from builds.queue import requests
from environments.access import Right, get_workspace
from environments.definition import read
from environments.errors import ServiceError
from environments.models import Version, Workspace
from environments.requests import StudioRequest
from environments.versions.service import save_reading, save_version
from environments.versions.views import version_named

FIRST_NAME = "first-environment"
FIRST_DEFINITION = """\
# A first environment: two small packages, pinned.
packaging==24.2
tabulate==0.9.0
"""


@require_POST
@login_required
def first(request: StudioRequest, workspace: str) -> HttpResponse:
    """Save and build a small definition, to start an empty workspace."""
    workspace = get_workspace(request.user, workspace, Right.DEFINE)
    saved = save_reading(
        workspace,
        FIRST_NAME,
        read(FIRST_DEFINITION, "requirements.txt", default_image=settings.DEFAULT_BASE),
        source=FIRST_DEFINITION,
        user=request.user,
    )
    return _build(request, saved.version)


@require_POST
@login_required
def use_curated(request: StudioRequest, workspace: str) -> HttpResponse:
    """Save a curated environment in a workspace under its own name, and build it there.

    Where that name has other content, the form for a new environment opens with the definition.
    """
    workspace = get_workspace(request.user, workspace, Right.DEFINE)
    get_workspace(request.user, workspace.name, Right.BUILD)
    reference = request.POST.get("from", "")
    if workspace.curated or not reference:
        messages.error(request, _("Choose a curated environment, and a workspace to build it in."))
        return redirect("environments", workspace.name)
    start = version_named(request.user, reference)
    try:
        version = _copied(start, workspace, request)
    except ServiceError as problem:
        messages.error(request, f"{problem} {problem.help}".strip())
        return redirect("version", start.environment.workspace.name, start.environment.name, start.version)
    if version is None:
        messages.info(
            request,
            _("“%(name)s” already exists with other content. Choose another name.")
            % {"name": start.environment.shown_name},
        )
        return redirect(f"{reverse('new', args=[workspace.name])}?{urlencode({'from': reference})}")
    return _build(request, version)


def _copied(start: Version, workspace: Workspace, request: StudioRequest) -> Version | None:
    """Return the version of the workspace with this content and name; None if the name has other content."""
    name = start.environment.shown_name
    existing = workspace.environments.filter(name=name).first()
    if existing is not None:
        return existing.versions.filter(hash=start.hash, archived_at=None).first()
    return save_version(
        workspace,
        name,
        start.definition,
        user=request.user,
        description=start.description,
        tags=dict(start.tags),
        based_on=start,
        source=start.source,
        source_path=start.source_path,
        beside={file.path: file.text for file in start.source_files.all()},
        source_format=start.source_format,
    ).version


def _build(request: StudioRequest, version: Version) -> HttpResponse:
    """Request the build of a version, and lead to it, or to the version whose image exists."""
    names = [version.environment.workspace.name, version.environment.name, version.version]
    try:
        requested = requests.request_build(version, request.user)
    except requests.StateConflict as problem:
        messages.error(request, str(problem))
        return redirect("version", *names)
    if requested.build is None:
        messages.success(
            request,
            _("%(version)s is ready: an image for this definition already exists.") % {"version": version},
        )
        return redirect("version", *names)
    return redirect("builds:build", names[0], requested.build.pk)
