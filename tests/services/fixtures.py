"""Fixtures for the real parts: started when a test first asks for one, stopped at the end of the run.

A test whose part is missing is skipped with a sentence that names it (with CI=true that fails the run).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import parts, reaper
from tests.services.docker_engine import DockerEngine
from tests.services.processes import MARKER
from tests.services.registry import Registry

# overlay2 cannot put its layers on these.
NO_HOME_FOR_IMAGES = {"tmpfs", "overlay", "ramfs"}


def need(part: parts.Part) -> None:
    """Skip the test when the part is missing here."""
    if reason := part.missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """A folder for the data of the real parts, removed at the end of the run, however the run ends."""
    # Servers run as users of their own, so the way to it must be open to all: not pytest's tmp_path.
    folder = Path(tempfile.mkdtemp(prefix="studio-tests-", dir=roomy_folder()))
    folder.chmod(0o755)
    guard = subprocess.Popen(
        [sys.executable, "-I", reaper.__file__, str(folder), str(os.getpid())],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    before = os.environ.get(MARKER)
    os.environ[MARKER] = f"{before or ''} {folder}".strip()
    yield folder
    if before is None:
        del os.environ[MARKER]
    else:
        os.environ[MARKER] = before
    assert guard.stdin
    guard.stdin.close()
    guard.wait()


def roomy_folder() -> Path:
    """Return a folder for temporary files that everybody may enter, on a file system that can hold images."""
    kinds = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _device, mount, kind = line.split()[:3]
        kinds[Path(mount)] = kind
    for folder in (Path("/tmp"), Path("/var/tmp")):
        place = next(place for place in (folder, *folder.parents) if place in kinds)
        if kinds[place] not in NO_HOME_FOR_IMAGES:
            return folder
    return Path("/tmp")  # the engine will find a slower way to store layers


@pytest.fixture(scope="session")
def docker_engine(run_folder: Path) -> Iterator[DockerEngine]:
    """A Docker Engine: `.host` for DOCKER_HOST, `.client` to talk to it."""
    need(parts.DOCKER)
    engine = DockerEngine(run_folder / "docker", undo=run_folder / "undo")
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def registry(run_folder: Path) -> Iterator[Registry]:
    """A registry that takes pushes from everybody: `.address` is 127.0.0.1:PORT."""
    need(parts.REGISTRY)
    server = Registry(run_folder / "registry")
    server.start()
    yield server
    server.stop()
