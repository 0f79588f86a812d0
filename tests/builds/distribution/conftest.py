"""An open workspace, a private one, and an image to pull from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from environments.models import Workspace
from tests.builds.distribution import store_image

LAYER = bytes(range(256)) * 8192  # 2 MB: several chunks


@pytest.fixture
def store(tmp_path: Path, settings: Settings) -> BlobStore:
    settings.STORE = tmp_path / "store"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return BlobStore(settings.STORE)


@pytest.fixture
def shop(store: BlobStore) -> Workspace:
    """A workspace that only its members may pull from."""
    return Workspace.objects.create(name="shop", title="Shop")


@pytest.fixture
def square(store: BlobStore) -> Workspace:
    """A workspace that everybody may pull from."""
    return Workspace.objects.create(name="square", title="Square", anonymous_pull=True)


@pytest.fixture
def manifest(store: BlobStore) -> Descriptor:
    return store_image(store, LAYER)
