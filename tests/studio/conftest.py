"""Fixtures for tests of commands, and of disks that are full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.studio.management.commands import Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A place to run commands, with data of its own."""
    folder: Path = tmp_path_factory.mktemp("desk")
    return Desk(folder, {})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own: `small_disk("size=4m")`, `small_disk("ro")`."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("Only root can mount a small disk.")

    def mount(options: str) -> Path:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
        return path

    yield mount
    subprocess.run(["umount", path], check=False)
