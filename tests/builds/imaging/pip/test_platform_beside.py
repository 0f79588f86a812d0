"""Resolving for a second platform: the same versions where they exist, and nothing that would have to be built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.bases.model import Base
from builds.imaging.lock import Lock
from builds.imaging.pip.resolve import resolve
from builds.imaging.pip.targets.beside import Beside
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel
from tests.builds.imaging.serving import Index

ARM = "linux/arm64"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "wheels").mkdir()
    served = Index(tmp_path / "wheels")
    with served.server.running():
        yield served


def compiled(index: Index, name: str, version: str, *machines: str, needs: tuple[str, ...] = ()) -> None:
    """Put a wheel for each of these machines into the index."""
    for machine in machines:
        wheel = make_wheel(index.folder, name, version, needs=needs)
        wheel.rename(wheel.with_name(f"{name}-{version}-cp311-cp311-manylinux_2_17_{machine}.whl"))


def both(
    index: Index, workshop: Workshop, *lines: str, previous: Lock | None = None, builds: bool = True
) -> tuple[Lock, Lock]:
    """Resolve for amd64, and for arm64 beside it."""
    workshop = replace(workshop, index_url=index.url, builds_sources=lambda: builds)
    first = resolve(empty_base(), lines, workshop, Recorder(), previous=previous)
    second = resolve(arm_base(), lines, workshop, Recorder(), previous=first, beside=Beside(ARM, first))
    return first, second


def arm_base() -> Base:
    base = empty_base()
    return replace(base, probe=base.probe.model_copy(update={"architecture": "arm64"}))


def versions(lock: Lock) -> dict[str, str]:
    return {package.name: package.version for package in lock.packages}


def test_versions_agree_where_a_platform_has_them_and_differ_where_it_has_not(
    index: Index, workshop: Workshop
) -> None:
    compiled(index, "core", "1.0", "x86_64", "aarch64")
    compiled(index, "core", "2.0", "x86_64")
    compiled(index, "side", "1.0", "x86_64", "aarch64")
    kept, _ = both(index, workshop, "side")
    compiled(index, "side", "1.1", "x86_64", "aarch64")
    make_wheel(index.folder, "plain", "3.0")

    first, second = both(index, workshop, "core", "side", "plain", previous=kept)

    assert versions(first) == {"core": "2.0", "side": "1.0", "plain": "3.0"}
    assert versions(second) == {"core": "1.0", "side": "1.0", "plain": "3.0"}
    assert first.named("plain") == second.named("plain")
    assert [package.filename.rpartition("_2_17_")[2] for package in second.packages][:1] == ["aarch64.whl"]


def test_all_packages_without_a_wheel_are_named_at_once(index: Index, workshop: Workshop) -> None:
    compiled(index, "alpha", "1.0", "x86_64")
    compiled(index, "beta", "1.0", "x86_64", "aarch64", needs=("gamma",))
    compiled(index, "gamma", "4.0", "x86_64")
    compiled(index, "delta", "1.0", "x86_64")
    compiled(index, "delta", "0.9", "x86_64", "aarch64")

    with pytest.raises(ImageError) as refused:
        both(index, workshop, "alpha", "beta", "delta")

    error = refused.value
    assert (error.code, error.fault) == ("no-matching-distribution", "author")
    assert error.message.startswith("alpha 1.0, gamma 4.0 have no wheel for linux/arm64")
    pinned = pytest.raises(ImageError, match=r"alpha 1\.0, delta 1\.0, gamma 4\.0 have no wheel")
    with pinned:
        both(index, workshop, "alpha", "beta", "delta==1.0")


def test_an_older_wheel_is_taken_before_a_source_that_the_platform_would_have_to_build(
    index: Index, workshop: Workshop
) -> None:
    compiled(index, "core", "1.0", "x86_64", "aarch64")
    compiled(index, "core", "2.0", "x86_64")
    make_sdist(index.folder, "core", "2.0")

    first, second = both(index, workshop, "core")

    assert versions(first) == {"core": "2.0"}
    assert versions(second) == {"core": "1.0"}
    assert "packages for linux/arm64 are not built here" in "".join(second.warnings)
    assert "Docker" not in "".join(second.warnings)


def test_a_source_on_both_platforms_is_the_same_source(index: Index, workshop: Workshop) -> None:
    make_sdist(index.folder, "source", "1.0")
    make_wheel(index.folder, "older", "1.0")
    make_sdist(index.folder, "older", "2.0")

    first, second = both(index, workshop, "source", "older")

    assert versions(first) == versions(second) == {"source": "1.0", "older": "2.0"}
    assert {package.sha256 for package in first.packages} == {package.sha256 for package in second.packages}
