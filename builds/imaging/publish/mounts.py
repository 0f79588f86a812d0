"""Repositories of a registry and their blobs: known blobs are mounted instead of uploaded."""

from __future__ import annotations

from collections.abc import Iterable

from builds.imaging.bases.host import REFERENCE as HOST
from builds.imaging.bases.model import Base
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.workshop import Workshop
from environments.definition.syntax.reference import BadReference, ImageReference

_KNOWN = "pushed"


def origins_of(
    blobs: Iterable[Descriptor], base: Base | None, target: ImageReference, workshop: Workshop
) -> dict[str, str]:
    """Return, by the digests of blobs, the repository of the target's registry that has each, as far as known.

    The base's layers are in the base's own repository; others where they were pushed to before. A registry
    that has one no more asks for its bytes.
    """
    result = {}
    for blob in blobs:
        before = workshop.recall(_KNOWN, _key(target.registry, blob.digest))
        if before is not None:
            result[blob.digest] = str(before)
    repository = _repository_in(target.registry, base)
    if base is not None and repository:
        result |= {layer.digest: repository for layer in base.layers}
    return {digest: name for digest, name in result.items() if name != target.repository}


def never_pushed(blobs: Iterable[Descriptor], target: ImageReference, workshop: Workshop) -> list[Descriptor]:
    """Return the blobs that no repository of the registry is known to have."""
    return [blob for blob in blobs if workshop.recall(_KNOWN, _key(target.registry, blob.digest)) is None]


def remember_origins(blobs: Iterable[Descriptor], target: ImageReference, workshop: Workshop) -> None:
    """Remember that a repository has these blobs now."""
    for blob in blobs:
        workshop.remember(_KNOWN, _key(target.registry, blob.digest), target.repository)


def _key(registry: str, digest: str) -> str:
    return f"{registry} {digest}"


def _repository_in(registry: str, base: Base | None) -> str:
    """Return the base's repository, if it is in this registry; else an empty string."""
    if base is None or base.reference == HOST:
        return ""
    try:
        parsed = ImageReference.parse(base.reference)
    except BadReference:  # a Dockerfile's outcome has no name
        return ""
    return parsed.repository if parsed.registry == registry else ""
