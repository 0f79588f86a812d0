"""The sweep of the store: it deletes blobs that no image needs, and names without an image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.functions import Now

from builds.imaging.oci.store import GRACE_SECONDS, BlobStore
from builds.models import Build, BuildState, Image, LastSweep, Referrer
from builds.queue.tests import forget_unused

MARGIN_SECONDS = 60.0  # between the clocks of machines


@dataclass(frozen=True)
class Swept:
    """The deleted blobs (or those to delete) with their sizes, and the names."""

    blobs: dict[str, int]
    names: tuple[str, ...]

    @property
    def freed(self) -> int:
        """The freed bytes."""
        return sum(self.blobs.values())


def sweep(*, dry_run: bool = True, grace_seconds: float = GRACE_SECONDS) -> Swept:
    """Delete blobs and names that no image needs and nothing touched within the grace period.

    Safe beside running builds: files they touched since their start are kept, and so is every image with a row,
    older images included (rule 16).
    """
    store = BlobStore(settings.STORE)
    grace_seconds = max(grace_seconds, _longest_build())
    names = _without_image(store, grace_seconds)
    if not dry_run and names:
        # Naming an image touches it, so a name written again in the meantime is kept.
        store.untag(*names, untouched_since=time.time() - grace_seconds)
    if not dry_run:
        forget_unused(timedelta(seconds=grace_seconds))
    keep = set(Image.objects.values_list("digest", flat=True))
    keep |= set(Referrer.objects.values_list("digest", flat=True))
    return Swept(store.collect(dry_run=dry_run, keep=keep, grace_seconds=grace_seconds), tuple(names))


def sweep_when_due() -> Swept | None:
    """Sweep if no worker has for `STUDIO_SWEEP_SECONDS`; return None if it is not due or another worker does."""
    if not settings.SWEEP_SECONDS or not _take_turn():
        return None
    return sweep(dry_run=False)


def _take_turn() -> bool:
    pause = timedelta(seconds=settings.SWEEP_SECONDS)
    row, first = LastSweep.objects.get_or_create(pk=1, defaults={"started_at": Now()})
    # By the database's clock. A time in the future is from before the clock was set back.
    due = Q(started_at__lte=Now() - pause) | Q(started_at__gt=Now() + pause)
    return first or bool(LastSweep.objects.filter(due, pk=row.pk).update(started_at=Now()))


def _longest_build() -> float:
    """Return the age in seconds of the oldest running build, which may rely on files since then; 0 without any.

    A machine that was asleep for days wakes up with builds of that age.
    """
    running = Build.objects.filter(state=BuildState.RUNNING).order_by("started_at")
    began = running.annotate(now=ExpressionWrapper(Now(), DateTimeField())).values_list("started_at", "now")
    return next(((now - at).total_seconds() + MARGIN_SECONDS for at, now in began[:1]), 0.0)


def _without_image(store: BlobStore, grace_seconds: float) -> list[str]:
    """Return the names without an image. A build that is about to end names its image before it writes the row."""
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
