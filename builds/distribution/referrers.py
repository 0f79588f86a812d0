"""Documents that are attached to the images of a repository: listed by the referrers API, and sent like images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from builds.distribution.repository import Manifest, Stream, blobs_of, store
from builds.imaging.oci.manifest import OCI_MANIFEST
from builds.imaging.oci.referrers import EMPTY, listed
from builds.models import Image, Referrer

MOST = 1000


def referrers_of(images: Iterable[Image], digest: str, artifact_type: str) -> list[dict[str, Any]]:
    """Return the descriptors of what refers to an index or manifest of these images, of one type if it is given."""
    rows = _rows(images).filter(subject=digest)
    if artifact_type:
        rows = rows.filter(artifact_type=artifact_type)
    # Images of a workspace that have the same bytes may have the same documents.
    result = {row.digest: row for row in rows[:MOST]}
    return [listed(row.digest, row.size, row.artifact_type, row.annotations) for row in result.values()]


def attached_manifest(images: Iterable[Image], digest: str) -> Manifest | None:
    """Return the manifest that attaches a document to one of these images."""
    if not _rows(images).filter(digest=digest).exists():
        return None
    try:
        return Manifest(digest, OCI_MANIFEST, store().read(digest))
    except FileNotFoundError:
        return None


def attached_blob(images: Iterable[Image], digest: str) -> Stream | None:
    """Return an open document that is attached to one of these images, and its size."""
    rows = _rows(images)
    rows = rows if digest == EMPTY.digest else rows.filter(content=digest)
    row = rows.only("digest").first()
    if row is None:
        return None
    blob = blobs_of(settings.STORE, row.digest).get(digest)
    try:
        return (store().open(digest), blob.size) if blob is not None else None
    except FileNotFoundError:
        return None


def _rows(images: Iterable[Image]) -> QuerySet[Referrer]:
    """Return the referrers of images, which may be a query."""
    if isinstance(images, QuerySet):
        return Referrer.objects.filter(image__in=images.order_by().values("pk"))
    return Referrer.objects.filter(image__in=[image.pk for image in images])
