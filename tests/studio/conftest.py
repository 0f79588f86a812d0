"""Fixtures for tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.studio.management.commands import Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A place to run commands, with data of its own."""
    folder: Path = tmp_path_factory.mktemp("desk")
    return Desk(folder, {})
