"""The buttons of a version's header: the primary button, and the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from environments.access import MINIMUM_ROLE, Right, role_in
from environments.models import Version, Workspace
from environments.requests import StudioRequest
from studio.environments.summary.status import Status


@dataclass(frozen=True)
class Actions:
    """The buttons of the header. `primary`: use, see, edit, build, copy, or empty for none."""

    primary: str
    edit: bool
    build: bool  # as one of the others
    rebuild: bool
    copy_to: Workspace | None  # where a copy of a curated environment can be built
    before: str  # the version to compare with, as workspace/name:version; empty if there is none


def actions_for(
    request: StudioRequest,
    version: Version,
    status: Status,
    rights: dict[str, bool],
    versions: Sequence[Version],
) -> Actions:
    """Return what this person can do next; `versions` are those of the environment, newest first."""
    curated = version.environment.workspace.curated
    edit = rights["define"] and not curated
    builds = rights["build"]
    copy_to = _own_workspace(request) if curated else None
    primary = ""
    if status.active and not status.image:
        primary = "see"
    elif status.image:
        primary = "use"
    elif status.failed and edit and status.failed.error_fault == "author":
        primary = "edit"
    elif builds:
        primary = "build"
    elif copy_to is not None:
        primary = "copy"
    return Actions(
        primary=primary,
        edit=edit and primary != "edit",
        build=builds and not status.active and not status.image and primary != "build",
        rebuild=builds and status.image is not None and not status.active,
        copy_to=copy_to,
        before=_before(version, versions),
    )


def _own_workspace(request: StudioRequest) -> Workspace | None:
    """Return the workspace that the session is in, if this person may define and build there."""
    workspace = Workspace.objects.filter(name=request.session.get("workspace", ""), curated=False).first()
    role = role_in(workspace, request.user) if workspace else None
    enough = role is not None and role >= max(MINIMUM_ROLE[Right.DEFINE], MINIMUM_ROLE[Right.BUILD])
    return workspace if enough else None


def _before(version: Version, versions: Sequence[Version]) -> str:
    """Return the version before this, else the version that this was started from."""
    environment = version.environment
    earlier = next((row.version for row in versions if row.number < version.number), "")
    if earlier:
        return f"{environment.workspace.name}/{environment.name}:{earlier}"
    origin = version.based_on
    if origin is None:
        return ""
    return f"{origin.environment.workspace.name}/{origin.environment.name}:{origin.version}"
