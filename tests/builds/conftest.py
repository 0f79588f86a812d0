"""Fixtures of the tests of builds: a package index, and an index that withholds its files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.builds.imaging.making import make_sdist, make_wheel
from tests.builds.imaging.serving import Answer, Index


class PausedIndex(Index):
    """An index that sends no file before `resume` is set: a build pauses while it fetches."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.resume = threading.Event()
        self.paused = threading.Event()

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if request.path.startswith("/files/"):
            self.paused.set()
            self.resume.wait(120)
        return super()._answer(request)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small wheels (shop, cart, till, desk) and one source without a wheel (source)."""
    folder = tmp_path_factory.mktemp("packages")
    for name in ("shop", "cart", "till", "desk"):
        make_wheel(folder, name, "1.0", {f"{name}.py": "OPEN = True\n"})
    make_sdist(folder)
    return folder


@pytest.fixture
def index(packages: Path) -> Iterator[PausedIndex]:
    """An index that withholds its packages."""
    served = PausedIndex(packages)
    with served.server.running():
        yield served
        served.resume.set()


@pytest.fixture
def open_index(packages: Path) -> Iterator[Index]:
    """An index of the same packages that sends everything."""
    served = Index(packages)
    with served.server.running():
        yield served
