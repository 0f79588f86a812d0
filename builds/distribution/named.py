"""A repository named after an environment: its versions are the tags."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import QuerySet

from builds.distribution import access
from builds.distribution.errors import unknown_manifest, unknown_name
from builds.distribution.repository import Manifest, Repository, Stream, workspace_to_pull
from builds.images.repositories import (
    environment_in,
    image_of_version,
    images_of,
    tags_of,
    version_tagged,
)
from builds.models import Image
from environments.models import Environment, Version, Workspace
from environments.models.list_entries import ListEntry

_LAYER_COPIES = 5  # images that are tried for a layer that many have

_DIGEST = re.compile(r"[A-Za-z0-9_+.-]+:.*")


class NotBuilt(Exception):
    """The version exists, but has no image that this client may pull."""

    def __init__(self, version: Version) -> None:
        super().__init__(f"{version} has no image.")
        self.version = version


def open_repository(user: access.Puller, name: str) -> Repository | NamedRepository:
    """Return the repository of this name if the user may pull from it: an environment's, or an image's by its hash.

    Raises what `Repository.open` raises.
    """
    workspace, repository = workspace_to_pull(user, name)
    environment = environment_in(workspace, repository) if "/" not in repository else None
    if environment is None:
        try:
            return Repository.of(workspace, repository)
        except KeyError:
            raise unknown_name(name, _meant(workspace, repository)) from None
    # Everybody with an account reads the catalogue; without one, only what its setting allows.
    return NamedRepository(name, environment, access.may_pull_catalogue(user))


@dataclass(frozen=True)
class NamedRepository:
    """An environment's images, as one client sees them. `catalogue`: whether those of the catalogue are among them."""

    name: str
    environment: Environment
    catalogue: bool

    @property
    def tags(self) -> list[str]:
        """The tags there are."""
        return tags_of(self.environment, catalogue=self.catalogue)

    @property
    def images(self) -> QuerySet[Image]:
        """The images that this client sees, newest first."""
        return images_of(self.environment, catalogue=self.catalogue)

    def manifest(self, reference: str, accepts: Callable[[str], bool]) -> Manifest:
        """Return the manifest of a tag or digest, and note that the image was used. Raises NotBuilt."""
        if _DIGEST.fullmatch(reference):
            images = self.images
            # Clients that have read an index request its manifests: they are looked for in all images.
            return self._of(*(images.filter(digest=reference)[:1] or images)).manifest(reference, accepts)
        version = version_tagged(self.environment, reference)
        if version is None:
            raise unknown_manifest(self.name, reference)
        image = image_of_version(version, catalogue=self.catalogue)
        if image is None:
            raise NotBuilt(version)
        return self._of(image).manifest_of(image, reference, accepts)

    def blob(self, digest: str) -> Stream:
        """Return an open blob of one of the images, and its size."""
        images = self.images
        # An index leads from a layer to its images; configs are looked for in all of them, the newest first.
        with_layer = images.filter(layer_rows__digest=digest)[:_LAYER_COPIES]
        return self._of(*(tuple(with_layer) or images)).blob(digest)

    def _of(self, *images: object) -> Repository:
        return Repository(self.name, images)  # type: ignore[arg-type]


def _meant(workspace: Workspace, repository: str) -> str:
    """Return which name an environment has, whose own name is spelled like this but for capitals; empty if none."""
    rows = ListEntry.objects.filter(workspace=workspace, name=repository).select_related("environment")
    names = [f"{row.environment} is {workspace}/{row.environment.repository} here." for row in rows[:5]]
    return " ".join(names)
