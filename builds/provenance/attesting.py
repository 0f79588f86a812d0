"""Attach to an image what proves its origin: for builds, rebases and images that were made before."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.dateparse import parse_datetime

from builds.images.exports import FORMATS, lock_as
from builds.imaging.lock import Lock
from builds.imaging.oci.index import image_of, manifests_of
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.platforms import fits
from builds.imaging.oci.referrers import Attachment, attach
from builds.imaging.oci.store import BlobStore
from builds.models import Image, Referrer
from builds.models.provenance import PROVENANCE
from builds.provenance.envelope import NotVerified, opened, sealed
from builds.provenance.keys import loaded, public_keys, signer
from builds.provenance.statement import (
    PREDICATE,
    Origin,
    Part,
    digest_set,
    statement_of,
    without_secrets,
)
from environments.public_url import base_url

BILLS = ("cyclonedx", "spdx")
log = logging.getLogger(__name__)

PLATFORM = "io.environment-studio.platform"
CREATED = "org.opencontainers.image.created"
TITLE = "org.opencontainers.image.title"


def origin_of(
    row: Mapping[str, Any],
    *,
    hash: str,
    repository: str,
    parameters: Mapping[str, Any] | None = None,
    invocation: str = "",
    started_at: datetime | None = None,
    finished_at: datetime | None = None,
) -> Origin:
    """Return the origin of an image from the fields of its row; `parts` has those of each platform, if several."""
    platforms = row["platforms"].split(",")
    whole = {
        "platform": platforms[0],
        "base_digest": (row["lock"] or {}).get("base_digest") or row["base_digest"],
        "lock": row["lock"],
    }
    parts = tuple(
        Part(part["platform"], part["base_digest"], Lock.model_validate(part["lock"] or {}))
        for part in row.get("parts") or [whole]
    )
    return Origin(
        hash=hash,
        repository=repository,
        base=row["base"],
        base_digest=row["base_digest"],
        parts=parts,
        builder=base_url(),
        version=settings.VERSION,
        parameters=dict(parameters or {}),
        invocation=invocation,
        started_at=started_at,
        finished_at=finished_at,
    )


def attested(origin: Origin, image: Descriptor, store: BlobStore) -> list[Attachment]:
    """Put an image's bills of materials and its signed provenance into the store, attached to it and its manifests.

    Raises NoKey.
    """
    signing = signer()
    manifests = manifests_of(store, image)
    subjects = list({each.digest: each for each in (image, *manifests)}.values())
    bills = {part.platform: _bills(origin, part, store) for part in origin.parts}
    byproducts = [product for of_part in bills.values() for _, _, product in of_part]
    envelope = sealed(statement_of(origin, subjects, byproducts), signing)
    provenance = store.put(envelope, PROVENANCE)
    about = {"in-toto.io/predicate-type": PREDICATE}
    if origin.finished_at is not None:
        about[CREATED] = origin.finished_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    result = []
    for subject in subjects:
        result.append(attach(store, subject, provenance, about))
        for part in origin.parts:
            if subject.digest == image.digest or _is_for(subject, part.platform):
                result += [
                    attach(store, subject, bill, annotations) for bill, annotations, _ in bills[part.platform]
                ]
    return result


def attest_image(image: Image, store: BlobStore) -> list[Attachment]:
    """Attach proof to an image that was made before, and save it. Raises NoKey, or FileNotFoundError if it is gone.

    What its row does not record, such as the settings of its build, is kept from its earlier provenance, if a key
    that is still valid signed that; else it is left out.
    """
    fields = ("platforms", "lock", "base", "base_digest")
    row = {name: getattr(image, name) for name in fields}
    row["parts"] = list(image.platform_rows.values("platform", "base_digest", "lock"))
    earlier = _earlier(image, store)
    run, defined = earlier.get("runDetails", {}), earlier.get("buildDefinition", {})
    times = run.get("metadata", {})
    parameters = {k: v for k, v in defined.get("internalParameters", {}).items() if k != "locks"}
    origin = origin_of(
        row,
        hash=image.hash,
        repository=image.repository,
        parameters=parameters,
        invocation=str(times.get("invocationId", "")),
        started_at=parse_datetime(times.get("startedOn", "")),
        finished_at=parse_datetime(times.get("finishedOn", "")) or image.built_at,
    )
    attachments = attested(origin, image_of(store, image.digest), store)
    save_referrers(image, attachments)
    return attachments


def _earlier(image: Image, store: BlobStore) -> dict[str, Any]:
    """Return the predicate of an image's provenance; empty if it has none that a valid key signed."""
    row = image.referrers.filter(subject=image.digest, artifact_type=PROVENANCE).first()
    if row is None:
        return {}
    try:
        statement, _ = opened(store.read(row.content), [loaded(key) for key in public_keys()])
    except (NotVerified, FileNotFoundError):
        return {}
    predicate: dict[str, Any] = statement["predicate"]
    return predicate


@transaction.atomic
def save_referrers(image: Image, attachments: Sequence[Attachment]) -> None:
    """Write the rows of what is attached to an image, instead of earlier ones."""
    Referrer.objects.filter(image=image).delete()
    Referrer.objects.bulk_create(
        Referrer(
            image=image,
            subject=each.subject,
            digest=each.descriptor.digest,
            size=each.descriptor.size,
            artifact_type=each.artifact_type,
            content=each.content.digest,
            annotations=dict(each.annotations),
        )
        for each in attachments
    )


def attachments_of(image: Image, store: BlobStore) -> list[Attachment]:
    """Return what is attached to an image, as far as it is still in the store."""
    result = []
    for row in image.referrers.all():
        if store.has(row.digest) and store.has(row.content):
            own = image_of(store, row.digest)
            content = Descriptor(
                media_type=row.artifact_type, digest=row.content, size=store.size(row.content)
            )
            result.append(Attachment(row.subject, own, row.artifact_type, content, row.annotations))
    return result


Bill = tuple[Descriptor, dict[str, str], dict[str, Any]]
"""A bill of materials in the store, the annotations of its referrer, and its entry in the statement."""


def _bills(origin: Origin, part: Part, store: BlobStore) -> list[Bill]:
    """Put the bills of materials of a platform into the store."""
    result = []
    for format in BILLS if part.lock.packages else ():
        file, media_type = FORMATS[format]
        try:
            text = lock_as(_public(part.lock), format, origin.repository.rpartition("/")[2])
        except Exception:  # a package that a format cannot express is no reason to have no image
            log.exception("The lock of %s cannot be written as %s", origin.repository, format)
            continue
        stored = store.put(text.encode(), media_type)
        annotations = {TITLE: file, PLATFORM: part.platform}
        product = {
            "name": file,
            "mediaType": media_type,
            "digest": digest_set(stored.digest),
            "annotations": {"platform": part.platform},
        }
        result.append((stored, annotations, product))
    return result


def _public(lock: Lock) -> Lock:
    """Return a lock without passwords in its addresses: a bill of materials travels with the image."""
    packages = [
        package.model_copy(
            update={"url": without_secrets(package.url), "channel": without_secrets(package.channel)}
        )
        for package in lock.packages
    ]
    return lock.model_copy(update={"packages": tuple(packages)})


def _is_for(manifest: Descriptor, platform: str) -> bool:
    return manifest.platform is None or fits(manifest.platform, platform)
