"""A name that an environment has already: its next version can be saved instead."""

from dataclasses import dataclass

from environments.models import Environment, Workspace
from environments.versions.service import next_version

NEXT = {"next", "build-next"}
"""The actions that save the next version of an existing environment."""


@dataclass(frozen=True)
class Taken:
    """The environment of this name, and the version that saving under it makes."""

    environment: Environment
    version: str


def taken_name(workspace: Workspace, name: str) -> Taken | None:
    """Return the environment of this name in a workspace; None if there is none, or it is archived."""
    if not name or "\0" in name:
        return None
    environment = (
        Environment.objects.named()
        .select_related("workspace")
        .filter(workspace=workspace, name=name, archived_at=None)
        .first()
    )
    return Taken(environment, next_version(environment)) if environment is not None else None
