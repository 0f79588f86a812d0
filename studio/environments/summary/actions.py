"""The buttons of a version's header: the primary button, and the others."""

from __future__ import annotations

from dataclasses import dataclass

from environments.access import MINIMUM_ROLE, Right, role_in
from environments.models import Version, Workspace
from environments.requests import StudioRequest
from studio.environments.summary.status import Status


@dataclass(frozen=True)
class Actions:
    """The buttons of the header. `primary`: use, see, edit, build, curated, or empty for none."""

    primary: str
    may_edit: bool
    edit: bool  # as one of the others
    build: bool  # likewise
    rebuild: bool
    build_from: Workspace | None  # whose members may have a curated environment built


def actions_for(
    request: StudioRequest,
    version: Version,
    status: Status,
    rights: dict[str, bool],
    latest: Version | None,
) -> Actions:
    """Return what this person can do next."""
    curated = version.environment.workspace.curated
    edit = rights["define"] and version.environment.editable
    builds = rights["build"]
    build_from = _own_workspace(request) if curated and version == latest else None
    primary = ""
    if status.active and not status.image:
        primary = "see"
    elif status.image:
        primary = "use"
    elif status.failed and edit and status.failed.error_fault == "author":
        primary = "edit"
    elif builds:
        primary = "build"
    elif build_from is not None:
        primary = "curated"
    return Actions(
        primary=primary,
        may_edit=edit,
        edit=edit and primary != "edit",
        build=builds and not status.active and not status.image and primary != "build",
        rebuild=builds and status.image is not None and not status.active,
        build_from=build_from,
    )


def _own_workspace(request: StudioRequest) -> Workspace | None:
    """Return the workspace that the session is in, if this person may build there."""
    workspace = Workspace.objects.filter(name=request.session.get("workspace", ""), curated=False).first()
    role = role_in(workspace, request.user) if workspace else None
    enough = role is not None and role >= MINIMUM_ROLE[Right.BUILD]
    return workspace if enough else None
