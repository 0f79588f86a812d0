"""What a rebuild would change, asked for by its page: a worker looks, and the answer is good for some minutes (rule 16)."""

from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from builds import queue
from builds.models import Image
from builds.preview_models import RebuildPreview
from environments.models import Version

GOOD_FOR = timedelta(minutes=5)
GIVEN_UP_AFTER = timedelta(minutes=2)
OVERLOOKED_AFTER = timedelta(seconds=5)


def preview_of(version: Version, image: Image | None) -> RebuildPreview | None:
    """Return the look at what a rebuild would move now, done or under way, if there is a recent one."""
    found = RebuildPreview.objects.filter(version=version, image=image).first() if image else None
    if found is None or found.asked_at is None or found.asked_at < timezone.now() - GOOD_FOR:
        return None
    if found.done_at is None and found.asked_at < timezone.now() - GIVEN_UP_AFTER:
        found.problem = "No worker had time to look. That does not keep a rebuild from working."
        found.done_at = timezone.now()  # for who asks now; nothing is written
    return found


def look_ahead(version: Version, image: Image) -> RebuildPreview:
    """Return the look that there is, else have a worker begin one."""
    with transaction.atomic():
        row, _ = RebuildPreview.objects.get_or_create(version=version, defaults={"image": image})
        RebuildPreview.objects.select_for_update().get(pk=row.pk)
        there = preview_of(version, image)
        if there is not None:
            return there
        RebuildPreview.objects.filter(pk=row.pk).update(
            image=image,
            asked_at=timezone.now(),
            begun_at=None,
            done_at=None,
            moves=[],
            base_moves=False,
            problem="",
        )
        transaction.on_commit(partial(queue.ask_for_preview, row.pk))
    return RebuildPreview.objects.get(pk=row.pk)


def ask_for_overlooked() -> int:
    """Ask again for looks that no worker has begun: messages may be lost. Return how many."""
    now = timezone.now()
    asked = RebuildPreview.objects.filter(
        begun_at=None, asked_at__gt=now - GIVEN_UP_AFTER, asked_at__lt=now - OVERLOOKED_AFTER
    )
    keys = list(asked.values_list("pk", flat=True))
    for key in keys:
        queue.ask_for_preview(key)
    return len(keys)
