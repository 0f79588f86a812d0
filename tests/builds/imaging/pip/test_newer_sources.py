"""A newer source comes before an older wheel, as with pip, where it can be built; else a warning names both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.lock import Lock
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel
from tests.builds.imaging.pip.comparing import would_install
from tests.builds.imaging.serving import Index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index with a scorer whose newer versions come as source alone."""
    folder = tmp_path / "index"
    make_wheel(folder, "scorer", "0.1")
    make_sdist(folder, "scorer", "0.9", says=["numbers"], needs=["numbers"])
    make_sdist(folder, "scorer", "1.2", says=["numbers"], needs=["numbers"])
    make_sdist(folder, "scorer", "2.0rc1")
    make_wheel(folder, "numbers", "1.0")
    make_wheel(folder, "numbers", "2.0")
    served = Index(folder)
    with served.server.running():
        yield served


@pytest.fixture
def shopping(workshop: Workshop, index: Index) -> Workshop:
    return replace(workshop, index_url=index.url)


@pytest.fixture
def engineless(shopping: Workshop) -> Workshop:
    return replace(shopping, builds_sources=lambda: False)


def kinds(lock: Lock) -> dict[str, tuple[str, str]]:
    return {package.name: (package.version, package.kind) for package in lock.packages}


def versions(lock: Lock) -> dict[str, str]:
    return {package.name: package.version for package in lock.packages}


@pytest.mark.parametrize(
    "lines",
    [
        ["scorer"],
        ["scorer<1"],
        ["--pre", "scorer"],
        ["scorer>=2.0rc1"],
        ["scorer", "numbers<2"],
        ["--prefer-binary", "scorer"],
        ["--only-binary scorer", "scorer"],
        ["--only-binary :all:", "--no-binary scorer", "scorer"],
        ["scorer", "--constraint scorer<0.5"],
    ],
)
def test_the_newest_version_is_taken_as_by_pip(
    shopping: Workshop, index: Index, tmp_path: Path, lines: list[str]
) -> None:
    own = "\n".join(lines).replace("--constraint scorer<0.5", "")
    held = tmp_path / "held.txt"
    held.write_text("scorer<0.5\n" if "--constraint" in "\n".join(lines) else "")
    expected = would_install([f"-i {index.url}", f"-c {held}", *own.splitlines()], tmp_path)

    lock = resolve(empty_base(), lines, shopping, Recorder())

    assert versions(lock) == expected
    assert lock.warnings == ()


def test_what_others_need_is_the_newest_too(shopping: Workshop, index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "trainer", "1.0", needs=["scorer"])
    make_wheel(index.folder, "trainer", "2.0", needs=["scorer>=1"])

    lock = resolve(empty_base(), ["trainer"], shopping, Recorder())

    assert versions(lock) == would_install([f"-i {index.url}", "trainer"], tmp_path)
    assert kinds(lock)["trainer"] == ("2.0", "wheel")
    assert kinds(lock)["scorer"] == ("1.2", "sdist")
    scorer = lock.named("scorer")
    assert scorer is not None
    assert (scorer.requested, scorer.needed_by) == (False, ("trainer",))


def test_a_source_that_others_do_not_allow_leaves_the_wheel(shopping: Workshop, index: Index) -> None:
    make_wheel(index.folder, "trainer", "1.0", needs=["scorer<0.5"])

    lock = resolve(empty_base(), ["trainer", "scorer"], shopping, Recorder())

    assert kinds(lock)["scorer"] == ("0.1", "wheel")


def test_an_older_version_with_a_wheel_is_no_source_beside_a_newer_source(
    shopping: Workshop, index: Index
) -> None:
    """Only the versions without a wheel are sources."""
    make_wheel(index.folder, "scorer", "1.1")
    make_wheel(index.folder, "trainer", "1.0", needs=["scorer<1.2"])

    lock = resolve(empty_base(), ["trainer", "scorer"], shopping, Recorder())

    assert kinds(lock)["scorer"] == ("1.1", "wheel")


def test_without_an_engine_the_wheel_comes_with_a_warning_that_names_both_versions(
    engineless: Workshop,
) -> None:
    reporter = Recorder()

    lock = resolve(empty_base(), ["scorer"], engineless, reporter)

    assert kinds(lock) == {"scorer": ("0.1", "wheel")}
    (warning,) = lock.warnings
    assert warning.startswith("scorer 0.1 is installed and not the newer 1.2: it comes as source alone")
    assert "Docker" in warning
    assert f"Warning: {warning}" in reporter.log
    assert Lock.from_json(lock.to_json()).warnings == lock.warnings


def test_without_an_engine_what_waits_for_a_source_is_warned_of(engineless: Workshop, index: Index) -> None:
    make_wheel(index.folder, "trainer", "1.0")
    make_wheel(index.folder, "trainer", "2.0", needs=["scorer>=1"])

    lock = resolve(empty_base(), ["trainer"], engineless, Recorder())

    assert versions(lock) == {"trainer": "1.0"}
    (warning,) = lock.warnings
    assert "trainer 1.0 is installed and not the newer 2.0" in warning
    assert "scorer" in warning


def test_a_pre_release_is_never_taken_for_want_of_another_wheel(
    shopping: Workshop, engineless: Workshop, index: Index
) -> None:
    make_wheel(index.folder, "fast", "0.3.1rc1")
    make_sdist(index.folder, "fast", "0.3.0")

    built = resolve(empty_base(), ["fast"], shopping, Recorder())
    without = resolve(empty_base(), ["fast"], engineless, Recorder())
    wanted = resolve(empty_base(), ["--pre", "fast"], engineless, Recorder())

    assert kinds(built) == kinds(without) == {"fast": ("0.3.0", "sdist")}
    assert kinds(wanted) == {"fast": ("0.3.1rc1", "wheel")}


def test_the_versions_of_the_previous_image_stay(shopping: Workshop, engineless: Workshop) -> None:
    """A wheel stays when an engine comes, and a source stays when a newer source comes."""
    wheel = resolve(empty_base(), ["scorer"], engineless, Recorder())
    older = resolve(empty_base(), ["scorer==0.9"], shopping, Recorder())

    assert kinds(resolve(empty_base(), ["scorer"], shopping, Recorder(), previous=wheel)) == kinds(wheel)
    assert kinds(resolve(empty_base(), ["scorer"], shopping, Recorder(), previous=older)) == kinds(older)


def test_a_withdrawn_source_is_taken_only_when_pinned(shopping: Workshop, index: Index) -> None:
    index.withdrawn["scorer-1.2.tar.gz"] = "counts wrong"

    assert versions(resolve(empty_base(), ["scorer"], shopping, Recorder()))["scorer"] == "0.9"
    assert versions(resolve(empty_base(), ["scorer==1.2"], shopping, Recorder()))["scorer"] == "1.2"


def test_a_source_that_cannot_be_read_is_an_error(shopping: Workshop, index: Index) -> None:
    (index.folder / "scorer-1.3.tar.gz").write_bytes(b"not an archive")

    with pytest.raises(ImageError, match=r"scorer-1\.3\.tar\.gz"):
        resolve(empty_base(), ["scorer==1.3"], shopping, Recorder())


def test_a_pre_release_is_not_taken_for_want_of_a_wheel_that_the_release_needs(
    shopping: Workshop, index: Index, tmp_path: Path
) -> None:
    """As hydra-core, whose releases need a package that comes as source alone."""
    make_sdist(index.folder, "grammar", "4.9")
    make_wheel(index.folder, "settings_reader", "1.3", needs=["grammar==4.*"])
    make_wheel(index.folder, "settings_reader", "1.4rc3")
    make_wheel(index.folder, "application", "3.0", needs=["settings-reader>=1.1"])

    lock = resolve(empty_base(), ["application"], shopping, Recorder())

    assert kinds(lock) == {
        "application": ("3.0", "wheel"),
        "grammar": ("4.9", "sdist"),
        "settings-reader": ("1.3", "wheel"),
    }
    assert versions(lock) == would_install([f"-i {index.url}", "application"], tmp_path)
