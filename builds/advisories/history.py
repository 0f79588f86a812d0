"""The remains of deleted images: enough to say since when and until when their versions were exposed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from builds.models import Image, ImagePackage, PastImage, PastPackage

AT_ONCE = 200  # images


def keep_history(images: Iterable[Image]) -> None:
    """Write what remains of images, in the transaction that deletes them."""
    rows = list(images)
    for first in range(0, len(rows), AT_ONCE):
        _keep(rows[first : first + AT_ONCE], timezone.now())


def _keep(images: list[Image], now: datetime) -> None:
    ends = _replaced_at(images)
    past = PastImage.objects.bulk_create(
        [
            PastImage(
                workspace_id=image.workspace_id,
                hash=image.hash,
                digest=image.digest,
                base_digest=image.base_contents,
                built_at=image.made_at,
                until=ends.get(image.pk, now),
            )
            for image in images
        ]
    )
    keys = {image.pk: row.pk for image, row in zip(images, past, strict=True)}
    packages = ImagePackage.objects.filter(image__in=keys).values_list("image", "package")
    PastPackage.objects.bulk_create(
        [PastPackage(image_id=keys[image], package_id=package) for image, package in packages], batch_size=500
    )


def _replaced_at(images: list[Image]) -> dict[int, datetime]:
    """Return when each image that is no longer current was replaced: with the build of the next."""
    result: dict[int, datetime] = {}
    old = [image for image in images if not image.current]
    others = Image.objects.filter(hash__in={image.hash for image in old}).order_by("made_at")
    rows = list(others.values_list("workspace", "hash", "made_at"))
    for image in old:
        for workspace, hash, made_at in rows:
            if (workspace, hash) == (image.workspace_id, image.hash) and made_at > image.made_at:
                result[image.pk] = made_at
                break
    return result
