"""Pinned wheels are fetched and packed while the solver works: sooner, and never anything else than without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.download.fetch import EARLY_BYTES, fetch
from builds.imaging.lock import Lock
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.network.credentials import Login, Logins
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.download.test_fetch import packing
from tests.builds.imaging.making import empty_base, make_wheel
from tests.builds.imaging.serving import Answer, Index
from tests.services.processes import wait_until

UPLOADED = "2024-01-01T00:00:00Z"  # with a time, the index answers in JSON, which has sizes


def large(folder: Path, name: str, version: str = "1.0") -> Path:
    files: dict[str, str | bytes] = {
        f"{name}/__init__.py": "x = 1\n",
        f"{name}/data.bin": bytes(EARLY_BYTES + 1),
    }
    return make_wheel(folder, name, version, files, stored=[f"{name}/data.bin"])


def serving(folder: Path, login: str = "") -> Index:
    index = Index(folder, login)
    index.uploaded = {file.name: UPLOADED for file in folder.iterdir()}
    return index


class Slow(Index):
    """An index that answers with a basket, which the solver needs, once another wheel is packed."""

    def __init__(self, folder: Path, workshop: Workshop) -> None:
        super().__init__(folder)
        self.uploaded = {file.name: UPLOADED for file in folder.iterdir()}
        self._workshop = workshop

    def _answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if "/files/basket" in request.path:
            wait_until(lambda: bool(packed(self._workshop)), 60, "nothing is packed")
        return super()._answer(request)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    large(tmp_path / "index", "shop")
    large(tmp_path / "index", "shop", "2.0")
    make_wheel(tmp_path / "index", "basket", needs=["shop"])
    served = serving(tmp_path / "index")
    with served.server.running():
        yield served


def resolved(workshop: Workshop, *requirements: str) -> Lock:
    return resolve(empty_base(), requirements, workshop, Recorder(), early=True)


def requested(index: Index, name: str) -> int:
    return sum(f"/files/{name}" in path for path, _ in index.server.requests)


def packed(workshop: Workshop) -> list[Path]:
    return list(workshop.cache.glob("segments/*/*.json"))


def test_a_pinned_wheel_is_fetched_and_packed_before_the_solver_is_done(
    tmp_path: Path, workshop: Workshop
) -> None:
    large(tmp_path / "index", "shop")
    make_wheel(tmp_path / "index", "basket", needs=["shop"])
    index = Slow(tmp_path / "index", workshop)
    with index.server.running():
        asking = replace(workshop, index_url=index.url)
        lock = resolved(asking, "basket", "shop==1.0")
        before = requested(index, "shop-1.0")
        reporter = Recorder()
        fetched = fetch(lock, asking, reporter)
        assert requested(index, "shop-1.0") == before
        assert fetched.received == sum(file.size for file in fetched.wheels)
        assert "0 here already, 2 fetched" in reporter.log
        assert fetch(lock, asking, Recorder()).cached


def test_the_image_is_the_same_as_without_it(tmp_path: Path, workshop: Workshop, index: Index) -> None:
    asking = replace(workshop, index_url=index.url)
    other = replace(asking, cache=tmp_path / "other")
    lines = ["basket", "shop==1.0"]

    locks = resolved(asking, *lines), resolve(empty_base(), lines, other, Recorder())
    images = [
        assemble(
            empty_base(),
            lock,
            fetch(lock, where, Recorder()),
            ImageSettings(labels={"of": where.cache.name}),
            where,
            Recorder(),
        )
        for lock, where in zip(locks, (asking, other), strict=True)
    ]

    assert locks[0] == locks[1]
    assert images[0].layers == images[1].layers


def test_what_is_not_pinned_waits_for_the_solver(workshop: Workshop, index: Index) -> None:
    asking = replace(workshop, index_url=index.url)

    resolved(asking, "basket", "shop>=1", "shop==1.0; python_version > '3'")

    assert packed(asking) == []


def test_packages_that_do_not_go_together_are_refused_as_ever_and_no_process_stays(
    workshop: Workshop, index: Index
) -> None:
    asking = replace(workshop, index_url=index.url)
    make_wheel(index.folder, "bag", needs=["shop>=2"])
    index.uploaded["bag-1.0-py3-none-any.whl"] = UPLOADED

    with pytest.raises(ImageError) as refused:
        resolved(asking, "bag", "shop==1.0")

    assert refused.value.code == "conflict"
    assert packing() == []


def test_a_broken_early_fetch_is_left_to_the_fetch_of_all(workshop: Workshop, index: Index) -> None:
    asking = replace(workshop, index_url=index.url)
    index.failures = [(404, {}, b"")]

    lock = resolved(asking, "shop==1.0")

    assert not fetch(lock, asking, Recorder()).cached


def test_a_private_name_is_not_looked_up_elsewhere_when_its_index_refuses(
    tmp_path: Path, workshop: Workshop, index: Index
) -> None:
    large(tmp_path / "private", "shop")
    private = serving(tmp_path / "private", "me:right")
    with private.server.running():
        logins = Logins([Login("index", private.url, "me", "wrong")])
        asking = replace(workshop, index_url=index.url, logins=logins)
        with pytest.raises(ImageError) as refused:
            resolved(asking, f"--extra-index-url {private.url}", "shop==1.0")

    assert refused.value.code == "index-refused"
    assert [path for path, _ in index.server.requests if "shop" in path] == []
