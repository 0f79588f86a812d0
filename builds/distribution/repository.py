"""A repository of the images that a workspace has of one definition, and the blobs that belong to them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from builds.distribution import access
from builds.distribution.errors import (
    Refusal,
    SignInNeeded,
    unknown_blob,
    unknown_manifest,
    unknown_name,
)
from builds.images.repositories import LATEST
from builds.imaging.oci import index
from builds.imaging.oci.manifest import INDEXES, MANIFESTS, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.models import Image
from environments.models import Workspace

Stream = tuple[BinaryIO, int]
"""An open file, and its size."""

DEFAULT_PLATFORM = "linux/amd64"  # what docker-registry gives clients that know no indexes
USED_EVERY = timedelta(minutes=1)

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LIKE_ADIGEST = re.compile(r"[A-Za-z0-9_+.-]+:.*")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """A manifest as it is sent: its digest, its media type and its bytes."""

    digest: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Repository:
    """A repository, as one client sees it."""

    name: str
    images: tuple[Image, ...]  # the newest first

    @classmethod
    def open(cls, user: access.Puller, name: str) -> Repository:
        """Return the repository if the user may pull from it. Raises SignInNeeded or a refusal."""
        workspace, repository = workspace_to_pull(user, name)
        try:
            return cls.of(workspace, repository)
        except KeyError:
            raise unknown_name(name) from None

    @classmethod
    def of(cls, workspace: Workspace, repository: str) -> Repository:
        """Return a workspace's repository. Raises KeyError if there is none."""
        images = tuple(_images(workspace, repository))
        if not images:
            raise KeyError(repository)
        return cls(f"{workspace.name}/{repository}", images)

    @property
    def tags(self) -> list[str]:
        """The tags there are. Older images are addressed by their digests."""
        return [LATEST] if any(image.current for image in self.images) else []

    def manifest(self, reference: str, accepts: Callable[[str], bool]) -> Manifest:
        """Return the manifest of a tag or digest, and note that the image was used.

        A tag of an index gives a client that accepts no indexes the index's first manifest for DEFAULT_PLATFORM.
        """
        if _LIKE_ADIGEST.fullmatch(reference) and not DIGEST.fullmatch(reference):
            raise Refusal(400, "DIGEST_INVALID", f"{reference[:200]} is not a sha256 digest.")
        image = next((image for image in self.images if _means(reference, image)), None)
        if image is None:
            raise unknown_manifest(self.name, reference)
        return self.manifest_of(image, reference, accepts)

    def manifest_of(self, image: Image, reference: str, accepts: Callable[[str], bool]) -> Manifest:
        """Return the manifest of an image's tag or digest, and note that the image was used."""
        try:
            whole = index.image_of(store(), reference if DIGEST.fullmatch(reference) else image.digest)
            result = whole if DIGEST.fullmatch(reference) or accepts(whole.media_type) else _default(whole)
            content = store().read(result.digest)
        except FileNotFoundError:
            log.error("The manifest %s of %s is gone from the store.", image.digest, self.name)
            raise unknown_manifest(self.name, reference) from None
        if not accepts(result.media_type):
            raise Refusal(
                404,
                "MANIFEST_UNKNOWN",
                f"{self.name}:{reference} is of type {result.media_type}, which was not accepted.",
            )
        self._note_use(image)
        return Manifest(result.digest, result.media_type, content)

    def blob(self, digest: str) -> Stream:
        """Return an open blob of one of the images, and its size."""
        if not DIGEST.fullmatch(digest):
            raise Refusal(400, "DIGEST_INVALID", f"{digest[:200]} is not a sha256 digest.")
        for image in self.images:
            result = blobs_of(settings.STORE, image.digest).get(digest)
            if result is not None:
                try:
                    return store().open(digest), result.size
                except FileNotFoundError:
                    log.error("The blob %s of %s is gone from the store.", digest, self.name)
                    break
        raise unknown_blob(self.name, digest)

    def _note_use(self, image: Image) -> None:
        now = timezone.now()
        if image.used_at < now - USED_EVERY:
            Image.objects.filter(pk=image.pk, used_at__lt=now - USED_EVERY).update(used_at=now)


def workspace_to_pull(user: access.Puller, name: str) -> tuple[Workspace, str]:
    """Return the workspace that a repository's name begins with, if the user may pull from it, and the rest.

    Without an account the answer is to sign in, whether it exists or not; a user who may not pull gets the same
    answer as for a repository that does not exist.
    """
    workspace_name, _, repository = name.partition("/")
    workspace = Workspace.objects.filter(name=workspace_name).first()
    if workspace is None or not access.may_pull(user, workspace):
        if not user.is_authenticated:
            raise SignInNeeded(name)
        raise unknown_name(name)
    return workspace, repository


def _images(workspace: Workspace, repository: str) -> QuerySet[Image]:
    """Return the repository's images, newest first, without their locks: every request for a blob reads them."""
    images = Image.objects.filter(workspace=workspace, repository=repository)
    return images.order_by("-built_at").only("digest", "current", "used_at")


def store() -> BlobStore:
    """Return the embedded store."""
    return _store(settings.STORE)


@lru_cache(maxsize=4)
def _store(path: Path) -> BlobStore:
    return BlobStore(path)


def blobs_of(path: Path, digest: str) -> dict[str, Descriptor]:
    """Return the blobs that belong to an image: index, manifests, configs and layers. None if it is gone."""
    try:
        return _blobs_of(path, digest)
    except FileNotFoundError:
        log.error("The manifest %s is gone from the store.", digest)
        return {}


@lru_cache(maxsize=1024)  # what a digest means never changes
def _blobs_of(path: Path, digest: str) -> dict[str, Descriptor]:
    own = index.image_of(_store(path), digest)
    blobs = (*index.blobs_of(_store(path), own), *index.manifests_of(_store(path), own), own)
    return {blob.digest: blob for blob in blobs}


def _default(image: Descriptor) -> Descriptor:
    """Return the manifest for clients that take one only."""
    manifests = index.manifests_of(store(), image)
    return index.manifest_for(manifests, DEFAULT_PLATFORM) or manifests[0]


def _means(reference: str, image: Image) -> bool:
    if reference == image.digest or (reference == LATEST and image.current):
        return True
    if not DIGEST.fullmatch(reference):
        return False
    blob = blobs_of(settings.STORE, image.digest).get(reference)
    return blob is not None and blob.media_type in MANIFESTS + INDEXES
