"""Servers on both sides of the egress policy, a proxy between them, and a workshop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builds.imaging.oci.store import BlobStore
from builds.imaging.workshop import Workshop
from builds.proxy.forward import ForwardProxy
from tests.builds.imaging.serving import Server
from tests.hostile.network.proxying import OUTSIDE
from tests.hostile.whole_builds.invariants import modest, unchanged
from tests.services.workshops import copy_answers


@pytest.fixture(autouse=True)
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No hostile input changes files outside, or takes more than a gigabyte of memory where it is read.

    Whole builds have more invariants (`whole_builds/`).
    """
    outside = tmp_path_factory.mktemp("outside")
    (outside / "file").write_text("of somebody else")
    with unchanged(outside), modest():
        yield


@pytest.fixture
def inside() -> Iterator[Server]:
    """A server that only the studio's machine reaches."""
    with Server(lambda _: (200, {}, b"a secret of the house")).running() as server:
        yield server


@pytest.fixture
def outside() -> Iterator[Server]:
    """A server that counts as public here."""
    with Server(lambda _: (200, {"X-Kind": "public"}, b"public"), "127.0.0.2").running() as server:
        yield server


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with ForwardProxy(OUTSIDE) as running:
        yield running


@pytest.fixture
def workshop(tmp_path: Path, known_python: Path) -> Workshop:
    copy_answers(known_python, tmp_path / "cache")
    return Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache", bytecode="none")
