"""The results of an image's tests, and the documents that are attached to it, for pages and the API."""

from __future__ import annotations

from dataclasses import dataclass

from builds.models import Image, Referrer, SmokeTest, Trial
from builds.queue.tests import smoke_test_of
from environments.models import Version


@dataclass(frozen=True)
class ImageTests:
    """The import test of an image, and the smoke test of one of its versions; None if it was not run."""

    imports: Trial | None
    smoke: SmokeTest | None
    command: str = ""


def tests_of(image: Image, version: Version | None) -> ImageTests:
    """Return the results of an image's tests; the smoke test is that of the version, if it has one."""
    trial = Trial.objects.filter(digest=image.digest).first()
    command = str(version.data.get("smoke_test") or "") if version is not None else ""
    return ImageTests(trial, smoke_test_of(image.digest, command) if command else None, command)


def attached_to(image: Image) -> list[Referrer]:
    """Return what is attached to an image itself; what is attached to its manifests is left out."""
    return list(image.referrers.filter(subject=image.digest))
