"""What nobody needs any more: blobs of the store, names without an image, base images left in the engine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings

from builds.engine.connection import BaseLeft, Engine
from builds.images import BlobStore, ImageError
from builds.images.store import GRACE_SECONDS
from builds.models import Image

DAY_SECONDS = 86400


@dataclass(frozen=True)
class Cleaned:
    """What goes, or went: blobs with their sizes, names, and the engine's images. `engine` says why none did."""

    blobs: dict[str, int]
    names: tuple[str, ...]
    bases: tuple[BaseLeft, ...]
    engine: str = ""

    @property
    def freed(self) -> int:
        """Return the bytes of the store that are freed."""
        return sum(self.blobs.values())


def clean(*, dry_run: bool = True, days: float = 7, grace_seconds: float = GRACE_SECONDS) -> Cleaned:
    """Delete what no image needs and nobody used lately, in the store and in the Docker Engine.

    Safe beside running builds: what they touched within the grace stays, and so does every image that has a
    row, older ones too (rule 16). Base images that no build used for some `days` are taken out of the engine.
    """
    store = BlobStore(settings.STORE)
    names = tuple(_without_image(store, grace_seconds))
    if not dry_run:
        for name in names:
            store.untag(name)
    keep = set(Image.objects.values_list("digest", flat=True))
    blobs = store.collect(dry_run=dry_run, keep=keep, grace_seconds=grace_seconds)
    try:
        with Engine.at(settings.DOCKER_HOST) as engine:
            if not dry_run:
                engine.remove_left_over()
            old = time.time() - days * DAY_SECONDS
            bases = tuple(base for base in engine.bases() if base.used_at < old)
            if not dry_run:
                bases = tuple(base for base in bases if engine.take_back(base.name))
    except ImageError as error:
        if error.code != "engine-unreachable":
            raise
        return Cleaned(blobs, names, (), f"No Docker Engine is reached at {settings.DOCKER_HOST}.")
    return Cleaned(blobs, names, bases)


def _without_image(store: BlobStore, grace_seconds: float) -> list[str]:
    """Return the names that are no image's any more; a build that ends now names its image before its row is."""
    known = {image.name for image in Image.objects.filter(current=True).select_related("workspace")}
    before = time.time() - grace_seconds
    found = []
    for name, manifest in sorted(store.tags().items()):
        if name.rpartition(":")[0] in known:
            continue
        place = store.blob_path(manifest.digest)
        if not place.exists() or place.stat().st_mtime < before:
            found.append(name)
    return found
