"""What tests of whole builds share: a package index, and one that holds back its files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.images.making import make_sdist, make_wheel
from tests.images.serving import Answer, Index


class HeldIndex(Index):
    """An index that hands out no file before `let_go` is set: a build stops in the middle of its fetching."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.let_go = threading.Event()
        self.holding = threading.Event()

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if request.path.startswith("/files/"):
            self.holding.set()
            self.let_go.wait(120)
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
def index(packages: Path) -> Iterator[HeldIndex]:
    """An index that holds back its packages."""
    held = HeldIndex(packages)
    with held.server.running():
        yield held
        held.let_go.set()


@pytest.fixture
def open_index(packages: Path) -> Iterator[Index]:
    """An index of the same packages that holds nothing back."""
    served = Index(packages)
    with served.server.running():
        yield served
