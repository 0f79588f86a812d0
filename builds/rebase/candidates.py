"""The images that a rebase is about, and the definitions of which they are."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from builds.models import Image, Rebase
from environments.definition import Definition
from environments.models import Version, Workspace


def images_on(rebase: Rebase) -> QuerySet[Image]:
    """Return the current images on a rebase's base, those that a Dockerfile builds on it too."""
    images = Image.objects.filter(current=True).filter(on_base(rebase.base))
    if rebase.workspace is not None:
        images = images.filter(workspace=rebase.workspace)
    if rebase.base_digest:
        images = images.filter(base_digest=rebase.base_digest)
    return images


def on_base(reference: str) -> Q:
    """Return the condition of images on a base: as it is, or as what a Dockerfile starts from."""
    return Q(base__in=[reference, f"Dockerfile (FROM {reference})"])


def definitions_of(workspace: Workspace, hashes: Iterable[str]) -> dict[str, Definition]:
    """Return the definition of each hash: of a version of the workspace, or of any for the catalogue's images."""
    versions = Version.objects.filter(hash__in=set(hashes)).only("hash", "data")
    if not workspace.curated:
        versions = versions.filter(environment__workspace=workspace)
    return {version.hash: version.outline for version in versions.order_by("pk")}
