"""A worker sweeps the store by itself: once in a while, one of them, and never what a build counts on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django.fixtures import Settings

from builds import tasks
from builds.images import store_sweep
from builds.images.store_sweep import Swept, sweep, sweep_when_due
from builds.imaging.oci.manifest import OCI_LAYER_GZIP, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.models import Build, Image, LastSweep
from builds.worker.reporter import stopping
from studio.configuration import read_pause
from tests.builds.distribution import store_image, store_index
from tests.builds.scenarios import claim_build, image_for, queue_build, save_text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]

DAY = timedelta(days=1)


@pytest.fixture
def store(settings: Settings, tmp_path: Path) -> BlobStore:
    settings.STORE = tmp_path / "store"
    return BlobStore(settings.STORE)


def aged(store: BlobStore, days: float) -> None:
    """Let all that is in the store be from so many days ago."""
    then = time.time() - days * 86400
    for path in (store.path / "blobs" / "sha256").iterdir():
        os.utime(path, (then, then))


def stray(store: BlobStore, days: float = 2) -> str:
    """Put a file into the store that no image needs."""
    digest = store.put(b"of a build that died", OCI_LAYER_GZIP).digest
    aged(store, days)
    return digest


def last_swept(ago: timedelta) -> None:
    # By the database's clock, which rounds otherwise than Python's.
    LastSweep.objects.update(started_at=Now() - ago)


def test_the_store_is_swept_once_a_day(store: BlobStore) -> None:
    first = stray(store)
    assert [swept.blobs.keys() for swept in (sweep_when_due(),) if swept] == [{first}]
    again = stray(store)
    assert sweep_when_due() is None
    last_swept(timedelta(hours=23))
    assert sweep_when_due() is None
    assert store.has(again)
    aged(store, 2)
    last_swept(DAY)
    assert sweep_when_due() is not None
    assert not store.has(again)


def test_it_is_not_put_off_for_years_by_a_clock_that_was_set_back(store: BlobStore) -> None:
    sweep_when_due()
    last_swept(-365 * DAY)
    assert sweep_when_due() is not None
    assert sweep_when_due() is None


def test_nobody_sweeps_where_the_setting_says_never(store: BlobStore, settings: Settings) -> None:
    settings.SWEEP_SECONDS = 0
    digest = stray(store)
    assert sweep_when_due() is None
    assert store.has(digest)


@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_a_pause_that_is_none_stops_the_start(value: float) -> None:
    with pytest.raises(ImproperlyConfigured, match="0 is never"):
        read_pause(value, "STUDIO_SWEEP_SECONDS")


@pytest.mark.django_db(transaction=True)
def test_of_workers_that_look_at_once_one_sweeps(store: BlobStore) -> None:
    """The first time, when the row is made, and the next, when it is moved."""
    for _ in range(2):
        start = threading.Barrier(4)
        swept: list[Swept | None] = []

        def look(start: threading.Barrier = start, swept: list[Swept | None] = swept) -> None:
            start.wait(60)
            try:
                swept.append(sweep_when_due())
            finally:
                connection.close()

        workers = [threading.Thread(target=look) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
        assert sorted(result is None for result in swept) == [False, True, True, True]
        last_swept(DAY)


@pytest.mark.django_db(transaction=True)
def test_a_worker_does_it_by_itself_and_goes_on_when_it_once_failed(
    store: BlobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SWEEP_SECONDS, settings.CACHE = 0.01, store.path.parent / "cache"
    digest = stray(store)
    unused = settings.CACHE / "files" / "unused.whl"
    unused.parent.mkdir(parents=True)
    unused.touch()
    os.utime(unused, (0, 0))
    really, tries = sweep_when_due, iter([OSError("the disk is away")])

    def once_failing() -> Swept | None:
        for error in tries:
            raise error
        swept = really()
        if swept is not None:
            stopping.set()
        return swept

    monkeypatch.setattr(tasks, "sweep_when_due", once_failing)
    try:
        tasks._sweep_until_stopped()
    finally:
        stopping.clear()
    assert not store.has(digest)
    assert not unused.exists()


def test_a_build_as_old_as_the_machines_sleep_keeps_its_files(store: BlobStore) -> None:
    """A laptop sleeps for days in the middle of a build: what it has fetched is as old when it wakes."""
    build = queue_build(save_text("six==1.0\n"))
    with claim_build(build) as (claim, _):
        Build.objects.update(started_at=timezone.now() - 3 * DAY)
        fetched = stray(store, days=2.9)
        assert sweep(dry_run=False).blobs == {}
        claim.cancel()
    aged(store, 2.9)
    assert sweep(dry_run=False).blobs.keys() == {fetched}


def test_an_image_that_is_an_index_keeps_all_its_manifests_and_their_layers(store: BlobStore) -> None:
    index = store_index(store, b"first", b"second", architectures=("amd64", "arm64"))
    image_for(save_text("six==1.0\n"))
    Image.objects.update(digest=index.digest)
    aged(store, 3)

    assert sweep(dry_run=False).blobs == {}
    assert store.whole(index)


def test_a_name_written_again_during_a_sweep_is_kept(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image was cleaned up; now the same is built again, and named before its row is written."""
    manifest = store_image(store, b"a layer" * 600)
    name = f"{image_for(save_text('six==1.0')).name}:latest"
    gone = "lab/azureml/azureml_gone:latest"
    store.tag(gone, manifest)
    aged(store, 2)
    really = store_sweep._without_image

    def named_meanwhile(store: BlobStore, grace_seconds: float) -> list[str]:
        names = really(store, grace_seconds)
        store.tag(name, manifest)
        return names

    monkeypatch.setattr(store_sweep, "_without_image", named_meanwhile)
    swept = sweep(dry_run=False)
    assert (swept.names, swept.blobs) == ((gone,), {})
    assert store.whole(store.tags()[name])
    assert gone in store.tags()  # its manifest is in use again; the next sweep decides again


def test_builds_give_names_while_the_store_is_looked_through(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With very many images that look takes long. What is named meanwhile stays; the rest goes."""
    late = store_image(store, b"late" * 1000)
    digest = stray(store)
    really = BlobStore._reachable
    looks: list[int] = []

    def named_meanwhile(self: BlobStore, roots: Iterable[Descriptor]) -> set[str]:
        reachable = really(self, roots)
        if not looks:
            looks.append(1)
            store.tag("lab/late:latest", late)  # would wait for ever for a lock that were held
            aged(store, 2)  # not its age is what keeps it
        return reachable

    monkeypatch.setattr(BlobStore, "_reachable", named_meanwhile)
    freed = store.collect(dry_run=False)
    assert freed.keys() == {digest}
    assert store.whole(late)
