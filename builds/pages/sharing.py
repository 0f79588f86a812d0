"""The versions that share an image (rule 11), as far as a user sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User

from environments.access import workspaces_of
from environments.models import Version, Workspace
from environments.models.environments import CONTENT


@dataclass(frozen=True)
class Sharing:
    """The versions that share an image, and those of them that the user sees: the workspace's own first, by name."""

    every: tuple[Version, ...] = ()
    seen: tuple[Version, ...] = ()

    @property
    def hidden(self) -> int:
        """The number of versions in workspaces that the user doesn't see."""
        return len(self.every) - len(self.seen)

    def without(self, version: Version) -> Sharing:
        """Return the others."""
        every, seen = (tuple(v for v in each if v != version) for each in (self.every, self.seen))
        return Sharing(every, seen)


def sharing_of(workspace: Workspace, hashes: Iterable[str], user: User | AnonymousUser) -> dict[str, Sharing]:
    """Return what shares the image of each hash, in at most two queries; a hash of no version has an empty one.

    The images of the catalogue serve every workspace: its readers don't see the names of most of them.
    """
    wanted = set(hashes)
    rows = Version.objects.named().filter(hash__in=wanted)
    if not workspace.curated:
        rows = rows.filter(environment__workspace=workspace)
    versions = list(rows.select_related("environment__workspace").defer(*CONTENT))
    versions.sort(key=lambda version: _order(version, workspace))
    visible = {workspace.pk}
    if any(version.environment.workspace_id != workspace.pk for version in versions):
        visible.update(workspaces_of(user).values_list("pk", flat=True))
    every: dict[str, list[Version]] = {hash: [] for hash in wanted}
    for version in versions:
        every[version.hash].append(version)
    return {
        hash: Sharing(
            tuple(each), tuple(version for version in each if version.environment.workspace_id in visible)
        )
        for hash, each in every.items()
    }


def _order(version: Version, workspace: Workspace) -> tuple[bool, str, str, int]:
    environment = version.environment
    own = environment.workspace_id == workspace.pk
    return not own, environment.name, environment.workspace.name, version.number


def own_versions_of(workspace: Workspace, hash: str) -> list[Version]:
    """Return the versions of a workspace that have this content, by name."""
    rows = Version.objects.named().filter(hash=hash, environment__workspace=workspace)
    return list(rows.select_related("environment__workspace").order_by("environment__name", "number"))
