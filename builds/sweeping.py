"""Files of the store that no image needs any more, and names that are no image's."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings

from builds.images.store import GRACE_SECONDS, BlobStore
from builds.models import Image


@dataclass(frozen=True)
class Swept:
    """What goes, or went: blobs with their sizes, and names."""

    blobs: dict[str, int]
    names: tuple[str, ...]

    @property
    def freed(self) -> int:
        """Return the bytes of the store that are freed."""
        return sum(self.blobs.values())


def sweep(*, dry_run: bool = True, grace_seconds: float = GRACE_SECONDS) -> Swept:
    """Delete what no image needs and nobody touched within the grace.

    Safe beside running builds: what they touched within the grace stays, and so does every image that has a
    row, older ones too (rule 16).
    """
    store = BlobStore(settings.STORE)
    names = tuple(_without_image(store, grace_seconds))
    if not dry_run:
        for name in names:
            store.untag(name)
    keep = set(Image.objects.values_list("digest", flat=True))
    return Swept(store.collect(dry_run=dry_run, keep=keep, grace_seconds=grace_seconds), names)


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
