"""A studio that serves HTTPS beside HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.processes import free_port
from tests.services.studio import Studio


@pytest.fixture(scope="session")
def secure_studio(run_folder: Path, stock: Path) -> Iterator[Studio]:
    """A studio started with `--https`, for all tests that only look at it or add to it."""
    studio = Studio(run_folder / "studio-https", {"STUDIO_HTTPS_PORT": str(free_port())}, stock)
    studio.start()
    yield studio
    studio.stop()
