"""The cache does not grow for ever: files that no build used for a while are evicted, and only those."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.cache_eviction import DAY_SECONDS, Evicted, evict, evict_when_due
from builds.imaging.download.fetch import fetch
from builds.imaging.pip.resolve import resolve
from builds.imaging.workshop import Workshop
from studio.configuration import read_days
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_wheel
from tests.builds.imaging.serving import Index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    for name in ("shop", "cart", "till"):
        make_wheel(tmp_path / "index", name, files={f"{name}/data.bin": bytes(range(256)) * 3000})
    served = Index(tmp_path / "index")
    with served.server.running():
        yield served


def build(workshop: Workshop, index: Index, *packages: str) -> tuple[str, int]:
    """Return the digest of an image of these packages, and how many bytes were fetched for it."""
    here = replace(workshop, index_url=index.url)
    lock = resolve(empty_base(), list(packages), here, Recorder())
    fetched = fetch(lock, here, Recorder())
    image = assemble(empty_base(), lock, fetched, ImageSettings(), here, Recorder())
    return image.descriptor.digest, fetched.received


def aged(folder: Path, days: float) -> None:
    """Let all that is in a folder, and it, be last used so many days ago."""
    then = time.time() - days * DAY_SECONDS
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (then, then), follow_symlinks=False)


def files(cache: Path) -> set[str]:
    result = (path for path in cache.rglob("*") if path.is_file() or path.is_symlink())
    return {str(path.relative_to(cache)) for path in result}


def test_what_a_build_used_stays_and_the_rest_goes_and_can_be_made_again(
    workshop: Workshop, index: Index
) -> None:
    item, _ = build(workshop, index, "shop", "cart")
    other, _ = build(workshop, index, "shop", "till")
    aged(workshop.cache, 31)
    before = files(workshop.cache)
    assert build(workshop, index, "shop", "cart") == (item, 0)

    shown = evict(workshop.cache, 30)
    assert files(workshop.cache) == before
    gone = evict(workshop.cache, 30, dry_run=False)

    assert gone == shown
    assert gone.size > 0
    left = files(workshop.cache)
    assert gone.files == len(before - left)
    assert {name for name in left if name.startswith("files/") and "till" in name} == set()
    assert sum("shop-1.0" in name or "cart-1.0" in name for name in left) == 2
    # All used files are still there: nothing is fetched, and nothing written but marks.
    assert build(workshop, index, "shop", "cart") == (item, 0)
    assert files(workshop.cache) == left
    # Evicted files are fetched again, and the image is the same.
    again, received = build(workshop, index, "shop", "till")
    assert again == other
    assert received > 0


def test_an_image_of_what_was_kept_is_the_same_after_everything_else_is_forgotten(
    workshop: Workshop, index: Index
) -> None:
    """Its layers are in the store: a note that they were made is only a note."""
    item, _ = build(workshop, index, "shop", "cart", "till")
    for kind in ("images", "buckets", "segments", "files"):
        aged(workshop.cache / kind, 31)
        assert evict(workshop.cache, 30, dry_run=False).files > 0, kind
        assert build(workshop, index, "shop", "cart", "till")[0] == item


def test_what_was_packed_before_and_is_used_for_another_image_stays(workshop: Workshop, index: Index) -> None:
    build(workshop, index, "shop")
    aged(workshop.cache, 31)
    packed = {name for name in files(workshop.cache) if name.startswith("segments/")}
    assert any(name.endswith(".gz") for name in packed)

    build(workshop, index, "shop", "cart")
    evict(workshop.cache, 30, dry_run=False)

    assert packed <= files(workshop.cache)


def test_what_the_solver_keeps_and_links_lead_to_stays(tmp_path: Path) -> None:
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    for folder in (elsewhere, cache / "uv", cache / "uv-1f", cache / "files"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("12345")
    (cache / "files" / "link").symlink_to(elsewhere)
    aged(tmp_path, 31)

    assert evict(cache, 30, dry_run=False).files == 2

    assert files(cache) == {"uv/file", "uv-1f/file"}
    assert (elsewhere / "file").read_text() == "12345"


def test_empty_folders_go_when_they_have_been_empty_for_as_long(tmp_path: Path) -> None:
    folder = tmp_path / "files" / "ab" / "abcd"
    folder.mkdir(parents=True)
    (folder / "file").write_text("1")
    aged(tmp_path, 31)
    assert evict(tmp_path, 30, dry_run=False) == Evicted(1, 1)
    assert folder.is_dir()  # a build may just have made it

    aged(tmp_path, 31)
    assert evict(tmp_path, 30, dry_run=False) == Evicted(0, 0)
    assert not folder.exists()


def test_a_cache_is_searched_once_a_day_even_if_the_clock_jumps(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert evict_when_due(cache, 30) is None
    assert not cache.exists()
    (cache / "files").mkdir(parents=True)

    def unused() -> None:
        (cache / "files" / "file").write_text("1")
        aged(cache / "files", 31)

    unused()
    assert evict_when_due(cache, 0) is None
    assert evict(cache, 0, dry_run=False) == Evicted(0, 0)
    assert evict_when_due(cache, 30) == Evicted(1, 1)
    unused()
    assert evict_when_due(cache, 30) is None
    for days in (1.1, -300):  # a day later; and where somebody has set the clock back
        then = time.time() - days * DAY_SECONDS
        os.utime(cache / ".looked-through", (then, then))
        unused()
        assert evict_when_due(cache, 30) == Evicted(1, 1)


@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_days_that_are_none_stop_the_start(value: float) -> None:
    with pytest.raises(ImproperlyConfigured, match="0 is never"):
        read_days(value, "STUDIO_CACHE_DAYS")
