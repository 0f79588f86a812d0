"""A studio with a store of its own, a base in a real registry, and a wheel."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from pytest_django import Settings

from tests.builds.imaging.making import make_wheel
from tests.services.servers.registry import Registry


@pytest.fixture
def own_store(tmp_path: Path, settings: Settings) -> Path:
    """The folder of the studio's data."""
    settings.STORE, settings.CACHE = tmp_path / "store", tmp_path / "cache"
    return tmp_path


@pytest.fixture
def team(registry: Registry) -> str:
    """A path in the registry that no other test uses."""
    return f"{registry.address}/t{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a package called shop."""
    return make_wheel(tmp_path_factory.mktemp("wheels"))
