"""Files of the store that no image needs any more, and names that are no image's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.functions import Now

from builds.images.store import GRACE_SECONDS, BlobStore
from builds.models import Build, Image, LastSweep, State

MARGIN_SECONDS = 60.0  # by which clocks of machines may differ


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

    Safe beside running builds: what they touched since they began stays, and so does every image that has a
    row, older ones too (rule 16).
    """
    store = BlobStore(settings.STORE)
    grace_seconds = max(grace_seconds, _longest_build())
    names = _without_image(store, grace_seconds)
    if not dry_run and names:
        # Whoever names an image touches it: what was named anew meanwhile stays.
        store.untag(*names, untouched_since=time.time() - grace_seconds)
    keep = set(Image.objects.values_list("digest", flat=True))
    return Swept(store.collect(dry_run=dry_run, keep=keep, grace_seconds=grace_seconds), tuple(names))


def sweep_when_due() -> Swept | None:
    """Sweep for real where no worker has for `STUDIO_SWEEP_SECONDS`; None where it is not due, or another does."""
    if not settings.SWEEP_SECONDS or not _take_turn():
        return None
    return sweep(dry_run=False)


def _take_turn() -> bool:
    pause = timedelta(seconds=settings.SWEEP_SECONDS)
    row, first = LastSweep.objects.get_or_create(pk=1, defaults={"begun_at": Now()})
    # All by the database's clock. One far in the future is from before somebody set it back.
    due = Q(begun_at__lte=Now() - pause) | Q(begun_at__gt=Now() + pause)
    return first or bool(LastSweep.objects.filter(due, pk=row.pk).update(begun_at=Now()))


def _longest_build() -> float:
    """Return since how many seconds a build under way may have counted on files; 0 where there is none.

    A machine that was asleep for days wakes with builds that are as old.
    """
    running = Build.objects.filter(state=State.RUNNING).order_by("started_at")
    began = running.annotate(now=ExpressionWrapper(Now(), DateTimeField())).values_list("started_at", "now")
    return next(((now - at).total_seconds() + MARGIN_SECONDS for at, now in began[:1]), 0.0)


def _without_image(store: BlobStore, grace_seconds: float) -> list[str]:
    """Return the names that are no image's any more; a build that ends now names its image before its row is."""
    known = {
        image.name
        for image in Image.objects.filter(current=True)
        .select_related("workspace")
        .only("repository", "workspace__name")
    }
    since = time.time() - grace_seconds
    return [
        name
        for name, manifest in sorted(store.tags().items())
        if name.rpartition(":")[0] not in known and not store.touched(manifest.digest, since=since)
    ]
