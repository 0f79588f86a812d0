"""Hashes of a definition: the file that has one is taken, a source or from another index too."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.download.fetch import fetch
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel
from tests.builds.imaging.serving import Index


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Index]:
    make_wheel(tmp_path / "main", "locks", "3.9", {"locks.py": "main = True\n"})
    make_sdist(tmp_path / "main", "locks", "3.9")
    served = Index(tmp_path / "main")
    with served.server.running():
        yield served


@pytest.fixture
def extra(tmp_path: Path) -> Iterator[Index]:
    """An index with the same version in another file."""
    make_wheel(tmp_path / "extra", "locks", "3.9", {"locks.py": "extra = True\n"})
    served = Index(tmp_path / "extra")
    with served.server.running():
        yield served


@pytest.fixture
def shopping(workshop: Workshop, main: Index) -> Workshop:
    return replace(workshop, index_url=main.url)


def digest(index: Index, name: str) -> str:
    return hashlib.sha256((index.folder / name).read_bytes()).hexdigest()


@pytest.mark.parametrize("wanted", ["main", "extra"])
def test_the_file_with_the_hash_is_taken_from_whichever_index(
    shopping: Workshop, main: Index, extra: Index, wanted: str
) -> None:
    index = {"main": main, "extra": extra}[wanted]
    sha256 = digest(index, "locks-3.9-py3-none-any.whl")
    lines = [f"--extra-index-url {extra.url}", f"locks==3.9 --hash=sha256:{sha256}"]

    lock = resolve(empty_base(), lines, shopping, Recorder())
    fetched = fetch(lock, shopping, Recorder())

    (locks,) = lock.packages
    assert (locks.sha256, locks.kind) == (sha256, "wheel")
    assert locks.url.startswith(index.server.url)
    assert len(fetched.wheels) == 1


@pytest.mark.parametrize("more", [False, True])
def test_a_source_is_taken_if_the_hash_is_the_sources(
    shopping: Workshop, main: Index, extra: Index, more: bool
) -> None:
    sha256 = digest(main, "locks-3.9.tar.gz")
    lines = [f"--extra-index-url {extra.url}"] if more else []

    lock = resolve(empty_base(), [*lines, f"locks==3.9 --hash=sha256:{sha256}"], shopping, Recorder())

    (locks,) = lock.packages
    assert (locks.sha256, locks.kind, locks.filename) == (sha256, "sdist", "locks-3.9.tar.gz")


def test_a_wheel_is_taken_if_the_hashes_of_wheel_and_source_are_given(
    shopping: Workshop, main: Index
) -> None:
    names = ("locks-3.9.tar.gz", "locks-3.9-py3-none-any.whl")
    hashes = " ".join(f"--hash=sha256:{digest(main, name)}" for name in names)

    lock = resolve(empty_base(), [f"locks==3.9 {hashes}"], shopping, Recorder())

    assert [package.kind for package in lock.packages] == ["wheel"]


def test_a_source_is_not_taken_by_its_hash_where_only_wheels_are_wanted(
    shopping: Workshop, main: Index
) -> None:
    sha256 = digest(main, "locks-3.9.tar.gz")

    with pytest.raises(ImageError) as refused:
        resolve(
            empty_base(), ["--only-binary :all:", f"locks==3.9 --hash=sha256:{sha256}"], shopping, Recorder()
        )

    assert refused.value.code == "digest-mismatch"


def test_a_hash_in_an_address_is_checked_and_its_package_counts_as_requested(
    shopping: Workshop, main: Index
) -> None:
    sha256 = digest(main, "locks-3.9-py3-none-any.whl")
    address = f"{main.server.url}/files/locks-3.9-py3-none-any.whl"

    lock = resolve(empty_base(), [f"locks @ {address}#sha256={sha256}"], shopping, Recorder())
    other = resolve(empty_base(), [f"locks @ {address}#sha256={'0' * 64}"], shopping, Recorder())

    with pytest.raises(ImageError) as refused:
        fetch(other, shopping, Recorder())
    assert refused.value.code == "digest-mismatch"
    assert [(package.requested, package.sha256) for package in lock.packages] == [(True, sha256)]
