"""Fetching over a network that breaks: files come whole and verified, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.confinement import forking
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.download.fetch import fetch, measured
from builds.imaging.lock import Lock
from builds.imaging.packing.pipeline import WORTH_FILES
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import Cancelled, ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_wheel
from tests.builds.imaging.serving import Index
from tests.services.processes import ProcessInfo, descendants, wait_until


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    make_wheel(
        tmp_path / "index",
        "shop",
        files={"shop/data.bin": bytes(range(256)) * 3000},
        stored=["shop/data.bin"],
    )
    served = Index(tmp_path / "index")
    with served.server.running():
        yield served


@pytest.fixture
def lock(index: Index, workshop: Workshop) -> Lock:
    return resolve(empty_base(), ["shop"], replace(workshop, index_url=index.url), Recorder())


def left_over(workshop: Workshop) -> list[Path]:
    return [path for path in workshop.cache.joinpath("files").rglob(".*") if path.is_file()]


def test_a_file_is_fetched_once_and_progress_reaches_its_size(lock: Lock, workshop: Workshop) -> None:
    reporter = Recorder()
    first = fetch(lock, workshop, reporter)

    second = fetch(lock, workshop, Recorder())

    size = first.wheels[0].size
    assert reporter.steps[-1] == (size, size, "bytes")
    assert (first.cached, first.received) == (False, size)
    assert second.cached
    assert "1 fetched" in reporter.log


def test_fetching_adds_the_sizes_of_files_to_a_lock_which_stays_the_same(
    lock: Lock, workshop: Workshop
) -> None:
    fetched = fetch(lock, workshop, Recorder())

    sized = measured(lock, fetched)

    assert [package.size for package in sized.packages] == [fetched.wheels[0].size]
    assert sized.digest == lock.digest


def test_a_broken_connection_goes_on_where_it_stopped(lock: Lock, workshop: Workshop, index: Index) -> None:
    whole = next(index.folder.glob("*.whl")).read_bytes()
    index.failures = [(200, {"Content-Length": str(len(whole))}, whole[:400_000])]

    fetched = fetch(lock, workshop, Recorder())

    assert fetched.received == len(whole)
    request = [headers.get("range") for path, headers in index.server.requests if path.startswith("/files/")][
        -2:
    ]
    assert request == [None, "bytes=262144-"]


def test_a_busy_server_is_asked_again(lock: Lock, workshop: Workshop, index: Index) -> None:
    index.failures = [(503, {}, b"busy"), (429, {}, b"slow down")]

    assert fetch(lock, workshop, Recorder()).received > 0


def test_another_file_under_the_same_name_is_refused_and_not_kept(
    lock: Lock, workshop: Workshop, index: Index
) -> None:
    index.failures = [(200, {}, b"something else")]

    with pytest.raises(ImageError) as refused:
        fetch(lock, workshop, Recorder())

    assert (refused.value.code, refused.value.fault) == ("digest-mismatch", "outside")
    assert left_over(workshop) == []
    assert not fetch(lock, workshop, Recorder()).cached


def test_a_missing_file_is_reported_as_missing(lock: Lock, workshop: Workshop, index: Index) -> None:
    index.failures = [(404, {}, b"")]

    with pytest.raises(ImageError, match=r"no longer has shop-1\.0-py3-none-any\.whl") as gone:
        fetch(lock, workshop, Recorder())
    assert gone.value.code == "package-gone"


def test_a_forbidden_file_is_reported_as_forbidden(lock: Lock, workshop: Workshop, index: Index) -> None:
    index.failures = [(403, {}, b"")]

    with pytest.raises(ImageError) as refused:
        fetch(lock, workshop, Recorder())
    assert refused.value.code == "index-refused"


def test_what_has_arrived_is_packed_while_another_file_is_still_on_its_way(
    tmp_path: Path, workshop: Workshop
) -> None:
    names = [f"part{number}" for number in range(WORTH_FILES)]
    for name in names:
        make_wheel(tmp_path / "many", name)
    served = Index(tmp_path / "many")
    segments = workshop.folder("segments")

    with served.server.running():
        asking = replace(workshop, index_url=served.url)
        lock = resolve(empty_base(), names, asking, Recorder())
        # The first response waits until another wheel has been packed.
        served.first = [lambda: wait_until(lambda: any(segments.glob("*.gz")), 60, "nothing is packed")]
        fetched = fetch(lock, asking, Recorder())

    assert len(fetched.wheels) == len(names)
    assert any(segments.glob("*.gz"))


def test_a_fetch_that_is_cancelled_leaves_no_process_that_packs(tmp_path: Path, workshop: Workshop) -> None:
    names = [f"part{number}" for number in range(WORTH_FILES)]
    for name in names:
        make_wheel(tmp_path / "many", name)
    served = Index(tmp_path / "many")
    reporter = Recorder()

    def cancel_while_packing() -> None:
        wait_until(lambda: bool(packing()), 60, "nothing is packed")
        reporter.cancelled = True

    with served.server.running():
        asking = replace(workshop, index_url=served.url)
        lock = resolve(empty_base(), names, asking, Recorder())
        served.first = [cancel_while_packing]
        with pytest.raises(Cancelled):
            fetch(lock, asking, reporter)

        assert not packing()


def packing() -> list[ProcessInfo]:
    """Return the processes that the fork server has started."""
    started = descendants(os.getpid())
    servers = {process.pid for process in started if forking.__name__ in process.command}
    return [process for process in started if process.parent in servers]


def test_a_wheel_that_cannot_be_packed_is_reported_with_its_layer(tmp_path: Path, workshop: Workshop) -> None:
    names = [f"part{number}" for number in range(WORTH_FILES)]
    for name in names:
        make_wheel(tmp_path / "many", name)
    broken = tmp_path / "many" / "part3-1.0-py3-none-any.whl"
    make_wheel(tmp_path / "many", "part3", files={"/etc/passwd": "x"})
    served = Index(tmp_path / "many")
    with served.server.running():
        asking = replace(workshop, index_url=served.url)
        lock = resolve(empty_base(), names, asking, Recorder())
        fetched = fetch(lock, asking, Recorder())

    with pytest.raises(ImageError, match=broken.name) as refused:
        assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Recorder())

    assert refused.value.code == "bad-wheel"
