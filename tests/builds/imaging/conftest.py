"""Fixtures for tests of image builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Cancelled
from builds.imaging.workshop import Workshop
from tests.services.fixtures import HostWorkshop
from tests.services.workshops import copy_answers


class Recorder:
    """A reporter that records its calls, and can be cancelled."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[int, int, str]] = []
        self.cancelled = False

    def line(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, done: int, total: int, unit: str) -> None:
        self.steps.append((done, total, unit))

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled

    @property
    def log(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def reporter() -> Recorder:
    return Recorder()


@pytest.fixture
def workshop(tmp_path: Path, known_python: Path) -> Workshop:
    copy_answers(known_python, tmp_path / "cache")
    return Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache")


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the solver give an index up at once that does not answer."""
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


@pytest.fixture(scope="session")
def shared_workshop(tmp_path_factory: pytest.TempPathFactory, host_workshop: HostWorkshop) -> Workshop:
    """One workshop for the tests that need a whole base or packages of the real index."""
    return host_workshop(tmp_path_factory.mktemp("workshop"))
