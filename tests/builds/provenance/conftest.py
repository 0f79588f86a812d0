"""A workspace with images in a real store, and a signing key of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from builds.models import Image
from environments.models import Workspace
from tests.builds.distribution import HASH, add_image

MakeImage = Callable[[Descriptor], Image]


@pytest.fixture
def store(tmp_path: Path, settings: Settings) -> BlobStore:
    settings.STORE = tmp_path / "store"
    settings.SIGNING_KEY_FILE = tmp_path / "key" / "signing-key.pem"
    settings.PUBLIC_URL = "https://studio.example"
    return BlobStore(settings.STORE)


@pytest.fixture
def square(store: BlobStore) -> Workspace:
    """A workspace that everybody may pull from."""
    return Workspace.objects.create(name="square", title="Square", anonymous_pull=True)


@pytest.fixture
def make_image(square: Workspace) -> MakeImage:
    """Return the function that gives the workspace an image with a package that has a password in its address."""

    def make(manifest: Descriptor) -> Image:
        image = add_image(square, manifest, hash=HASH)
        image.lock = lock_with("numpy").model_dump(mode="json")
        image.packages = 1
        image.save()
        return image

    return make


def lock_with(*names: str) -> Lock:
    """Return a lock of these packages."""
    return Lock(python="3.11.7", base_digest="sha256:" + "0" * 64, packages=tuple(map(locked, names)))


def locked(name: str) -> LockedPackage:
    """Return a package of a private index."""
    file = f"{name}-1.0-py3-none-any.whl"
    return LockedPackage(
        ecosystem="pypi",
        name=name,
        version="1.0",
        url=f"https://ann:hunter2@index.example/{file}?sig=hunter3",
        sha256="c" * 64,
        filename=file,
        kind="wheel",
        requested=True,
    )
