"""Previews of a rebuild: a worker resolves what would change, and the answer is valid for some minutes (rule 16)."""

from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from builds.models import Image
from builds.models.preview import RebuildPreview
from builds.queue import messages
from environments.models import Version

VALID_FOR = timedelta(minutes=5)
TIMEOUT = timedelta(minutes=2)
RESEND_AFTER = timedelta(seconds=5)


def recent_preview(version: Version, image: Image | None) -> RebuildPreview | None:
    """Return the preview of a rebuild, finished or running, if it is recent."""
    preview = RebuildPreview.objects.filter(version=version, image=image).first() if image else None
    if preview is None or preview.requested_at is None or preview.requested_at < timezone.now() - VALID_FOR:
        return None
    if preview.ended_at is None and preview.requested_at < timezone.now() - TIMEOUT:
        preview.problem = "No worker had time to look. That does not keep a rebuild from working."
        preview.ended_at = timezone.now()  # on this instance alone; nothing is written
    return preview


def request_preview(version: Version, image: Image) -> RebuildPreview:
    """Return the recent preview, or else request one from a worker."""
    with transaction.atomic():
        row, _ = RebuildPreview.objects.get_or_create(version=version, defaults={"image": image})
        RebuildPreview.objects.select_for_update().get(pk=row.pk)
        recent = recent_preview(version, image)
        if recent is not None:
            return recent
        RebuildPreview.objects.filter(pk=row.pk).update(
            image=image,
            requested_at=timezone.now(),
            started_at=None,
            ended_at=None,
            changes=[],
            base_changed=False,
            problem="",
        )
        transaction.on_commit(partial(messages.send_preview, row.pk))
    return RebuildPreview.objects.get(pk=row.pk)


def resend_lost_previews() -> int:
    """Send again previews that no worker has begun, as messages may be lost; return how many."""
    now = timezone.now()
    waiting = RebuildPreview.objects.filter(
        started_at=None, requested_at__gt=now - TIMEOUT, requested_at__lt=now - RESEND_AFTER
    )
    keys = list(waiting.values_list("pk", flat=True))
    for key in keys:
        messages.send_preview(key)
    return len(keys)
