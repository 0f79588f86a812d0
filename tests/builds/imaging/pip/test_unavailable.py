"""Packages that are there, but not for this Python or this system: the error says for which, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.bases.probe import Probe
from builds.imaging.pip.available import advice_for_version, wheels_of
from builds.imaging.pip.indexes import Indexes
from builds.imaging.pip.listings import Listings
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel
from tests.builds.imaging.serving import Index

LINUX = "manylinux_2_17_x86_64.manylinux2014_x86_64"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    served = Index(tmp_path / "index")
    with served.server.running():
        yield served


@pytest.fixture
def shopping(workshop: Workshop, index: Index) -> Workshop:
    return replace(workshop, index_url=index.url)


def put(index: Index, name: str, version: str, *tags: str, requires: str = "", source: bool = False) -> None:
    """Put wheels with these tags, and a source, into an index."""
    for tag in tags:
        wheel = make_wheel(index.folder, name, version)
        wheel.rename(index.folder / f"{name}-{version}-{tag}.whl")
    if source:
        make_sdist(index.folder, name, version)
    for file in index.folder.glob(f"{name}-{version}*"):
        if requires:
            index.pythons[file.name] = requires


def refusal(workshop: Workshop, *lines: str) -> ImageError:
    with pytest.raises(ImageError) as refused:
        resolve(empty_base(), lines, workshop, Recorder())
    return refused.value


def test_an_old_pin_is_refused_by_what_the_index_says_of_pythons(shopping: Workshop, index: Index) -> None:
    """pip says at once that Requires-Python excludes it; no engine is started for its source."""
    tags = [f"cp{minor}-cp{minor}-{LINUX}" for minor in ("37", "38", "39", "310")]
    put(index, "arrays", "1.21", *tags, requires=">=3.7,<3.11", source=True)
    put(index, "arrays", "1.26", f"cp311-cp311-{LINUX}", requires=">=3.9")

    error = refusal(shopping, "arrays==1.21")

    assert (error.code, error.fault) == ("no-matching-python", "author")
    assert "arrays 1.21 is made for Python 3.7, 3.8, 3.9 and 3.10" in error.message
    assert "Requires-Python: >=3.7,<3.11" in error.message
    assert "the base image has Python 3.11.7" in error.message
    assert "with Python 3.7, 3.8, 3.9 or 3.10" in error.help
    assert "pin arrays==1.26" in error.help


def test_an_old_pin_that_another_package_needs_is_refused_alike(shopping: Workshop, index: Index) -> None:
    put(index, "arrays", "1.21", f"cp310-cp310-{LINUX}", requires=">=3.7,<3.11", source=True)
    make_wheel(index.folder, "model", "1.0", needs=["arrays==1.21"])

    error = refusal(shopping, "model")

    assert error.code == "no-matching-python"
    assert "arrays 1.21" in error.message


@pytest.mark.parametrize("requires", ["", ">=3.6"])
def test_a_pin_with_wheels_for_other_pythons_and_no_source_names_them(
    shopping: Workshop, index: Index, requires: str
) -> None:
    put(index, "flows", "1.15", f"cp36-cp36m-{LINUX}", f"cp37-cp37m-{LINUX}", requires=requires)

    error = refusal(shopping, "flows==1.15")

    assert error.code == "no-matching-python"
    assert "flows 1.15 has wheels for Python 3.6 and 3.7" in error.message
    assert "Python 3.6 or 3.7" in error.help


def test_an_upper_bound_of_pythons_counts_for_sources_as_in_pip(shopping: Workshop, index: Index) -> None:
    put(index, "arrays", "1.2", requires="<3.11", source=True)
    put(index, "arrays", "1.1", requires=">=3.7", source=True)

    lock = resolve(empty_base(), ["arrays"], shopping, Recorder())

    assert [(package.version, package.kind) for package in lock.packages] == [("1.1", "sdist")]


@pytest.mark.parametrize(
    ("tag", "system"),
    [
        ("cp311-none-win_amd64", "Windows"),
        ("cp311-cp311-macosx_11_0_arm64", "macOS"),
        ("py3-none-macosx_10_9_universal2", "macOS"),
    ],
)
def test_a_package_with_wheels_of_another_system_alone_is_named_as_that(
    shopping: Workshop, index: Index, tag: str, system: str
) -> None:
    put(index, "gadget", "306", tag)

    for line in ("gadget==306", "gadget"):
        error = refusal(shopping, line)

        assert (error.code, error.fault) == ("no-matching-distribution", "author")
        assert "gadget" in error.message
        assert f"is for {system} only, and an image is Linux" in error.message
        assert "sys_platform" in error.help


@pytest.mark.parametrize("name", ["pyobjc-framework-Cocoa", "pyobjc-core"])
def test_a_source_that_builds_on_macos_alone_is_not_built(
    shopping: Workshop, index: Index, name: str
) -> None:
    put(index, name.replace("-", "_"), "9.0", "cp311-cp311-macosx_11_0_universal2", source=True)

    error = refusal(shopping, f"{name}==9.0")

    assert "is for macOS only" in error.message
    assert f'{name.lower()}; sys_platform == "darwin"' in error.help


def test_a_name_of_windows_that_no_index_has_is_named_as_that(shopping: Workshop) -> None:
    """Names of a conda environment on Windows, turned into requirements."""
    assert "vs2015-runtime is for Windows only" in refusal(shopping, "vs2015_runtime==14.27").message


def test_a_source_with_wheels_for_windows_may_be_built(shopping: Workshop, index: Index) -> None:
    put(index, "dbclient", "2.9", "cp311-cp311-win_amd64", source=True)

    lock = resolve(empty_base(), ["dbclient"], shopping, Recorder())

    assert [package.kind for package in lock.packages] == ["sdist"]


def test_a_wheel_at_an_address_says_for_which_system_it_is(shopping: Workshop, index: Index) -> None:
    put(index, "gadget", "1.0", "cp311-cp311-win_amd64")

    error = refusal(shopping, f"gadget @ {index.server.url}/files/gadget-1.0-cp311-cp311-win_amd64.whl")

    assert "gadget 1.0 is for Windows" in error.message


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("torch==2.1.0+cu118", "--extra-index-url https://download.pytorch.org/whl/cu118"),
        ("torchvision==0.16.0+cpu", "--extra-index-url https://download.pytorch.org/whl/cpu"),
        ("torchaudio==2.1.0+rocm5.6", "--extra-index-url https://download.pytorch.org/whl/rocm5.6"),
        ("torch-scatter==2.1.1+pt20cu118", "--find-links https://data.pyg.org/whl/torch-2.0.0+cu118.html"),
        ("jaxlib==0.4.7+cuda11.cudnn86", "--find-links https://storage.googleapis.com/jax-releases/"),
        ("mylib==1.0+ours", "write mylib==1.0"),
    ],
)
def test_a_version_with_a_plus_names_its_index(
    shopping: Workshop, index: Index, line: str, option: str
) -> None:
    name, _, version = line.partition("==")
    put(index, name.replace("-", "_"), version.partition("+")[0], "py3-none-any")

    error = refusal(shopping, line)

    assert error.code == "no-matching-distribution"
    assert line in error.message
    assert option in error.help
    assert advice_for_version(name, version) == error.help


@pytest.mark.parametrize(
    ("tags", "says", "help"),
    [
        ([f"cp38-cp38-{LINUX}"], "1.0 has wheels for Python 3.8 only", "Take a base image with Python 3.8"),
        (["cp311-cp311-win32"], "1.0 has wheels for Windows only", "Leave it out"),
        ([], "no version of it has a wheel in the index", ""),
    ],
)
def test_what_can_be_done_about_a_source_that_does_not_build_is_known(
    shopping: Workshop, index: Index, tags: list[str], says: str, help: str
) -> None:
    put(index, "odd", "1.0", *tags, source=True)
    files = Listings(Indexes(index.url, ()), (), shopping, Recorder()).of("odd")
    probe = Probe(python="/p", version="3.11.7", libc="glibc", libc_version="2.36")

    why, advice = wheels_of("odd", "1.0", files, probe)

    assert why == says
    assert help in advice
