"""An index with packages that an advisory affects, and environments that are built from it on `host`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.serving import Index


@pytest.fixture
def index(tmp_path: Path, settings: Settings) -> Iterator[Index]:
    """An index that the studio resolves with: `shop` and `strict` require `mover`, which an advisory affects."""
    served = Index(tmp_path / "wheels")
    for name, version, needs in (
        ("mover", "1.0", ()),
        ("bystander", "1.0", ()),
        ("shop", "1.0", ("mover", "bystander")),
        ("strict", "1.0", ("mover==1.0",)),
    ):
        publish(served, name, version, *needs)
    with served.server.running():
        settings.INDEX_URL = served.url
        yield served


def publish(index: Index, name: str, version: str, *needs: str) -> None:
    """Add a version of a package to the index."""
    make_wheel(index.folder, name, version, {f"{name}.py": f"VERSION = {version!r}\n"}, needs=needs)
