"""Packages that come as source alone, resolved without running any of their code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock
from builds.imaging.pip.declared.sdist import needs_of
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel, wheel_file
from tests.builds.imaging.serving import Index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    make_wheel(folder, "basket", "1.0")
    make_wheel(folder, "basket", "2.0")
    make_wheel(folder, "shop", "1.0", needs=["source"])
    served = Index(folder)
    with served.server.running():
        yield served


@pytest.fixture
def shopping(workshop: Workshop, index: Index) -> Workshop:
    return replace(workshop, index_url=index.url)


def kinds(lock: Lock) -> dict[str, tuple[str, str]]:
    return {package.name: (package.version, package.kind) for package in lock.packages}


def test_a_package_without_a_wheel_is_locked_as_its_source_with_all_that_it_needs(
    shopping: Workshop, index: Index
) -> None:
    made = make_sdist(index.folder, "source", "1.0", says=["basket<2"])
    make_sdist(index.folder, "deeper", "1.0")
    make_sdist(index.folder, "source", "0.9", says=["deeper"])
    reporter = Recorder()

    lock = resolve(empty_base(), ["shop"], shopping, reporter)
    fetched = fetch(lock, shopping, reporter)

    assert kinds(lock) == {"shop": ("1.0", "wheel"), "source": ("1.0", "sdist"), "basket": ("1.0", "wheel")}
    source, basket = lock.named("source"), lock.named("basket")
    assert source is not None
    assert basket is not None
    assert (source.needed_by, basket.needed_by) == (("shop",), ("source",))
    assert [file.path.read_bytes() for file in fetched.sdists] == [made.read_bytes()]
    assert "source has no wheel that fits: it is built from source" in reporter.log


def test_what_a_source_needs_may_be_a_source_too_and_decides_its_version(
    shopping: Workshop, index: Index
) -> None:
    make_sdist(index.folder, "source", "2.0", says=["basket==9"])
    make_sdist(index.folder, "source", "1.0", says=["deeper"])
    make_sdist(index.folder, "deeper", "1.0", says=["basket<2"])

    lock = resolve(empty_base(), ["shop"], shopping, Recorder())

    assert kinds(lock) == {
        "shop": ("1.0", "wheel"),
        "source": ("1.0", "sdist"),
        "deeper": ("1.0", "sdist"),
        "basket": ("1.0", "wheel"),
    }
    assert kinds(resolve(empty_base(), ["shop"], shopping, Recorder(), previous=lock)) == kinds(lock)


def test_nothing_of_a_source_runs_on_the_studios_machine(
    shopping: Workshop, index: Index, tmp_path: Path
) -> None:
    trace = tmp_path / "it-ran"
    make_sdist(
        index.folder,
        "source",
        files={
            "setup.py": f"open({str(trace)!r}, 'w')\nfrom setuptools import setup\nsetup(name='source')\n"
        },
    )

    lock = resolve(empty_base(), ["source"], shopping, Recorder())

    assert kinds(lock) == {"source": ("1.0", "sdist")}
    assert not trace.exists()


def test_beside_conda_a_source_is_taken_and_what_conda_brings_is_left_out(
    shopping: Workshop, index: Index
) -> None:
    make_sdist(index.folder, "source", says=["basket"])

    lock = resolve(empty_base(), ["source"], shopping, Recorder(), present={"basket": "1.0"})

    assert {package.name: package.kind for package in lock.packages} == {"source": "sdist"}


def test_a_source_with_a_requirement_at_an_address_is_refused(shopping: Workshop, index: Index) -> None:
    make_sdist(index.folder, "source", says=["basket @ file:///etc/passwd"])

    with pytest.raises(ImageError, match="from an address of its own"):
        resolve(empty_base(), ["source"], shopping, Recorder())


def test_requirements_of_older_sources_are_read_beside_their_metadata(tmp_path: Path) -> None:
    listed = "basket>=1\n\n[:python_version < '3']\nold\n\n[all]\nmore ; os_name == 'nt'\n"
    made = make_sdist(tmp_path, "source", files={"source.egg-info/requires.txt": listed})

    assert needs_of(wheel_file(made)) == (
        "basket>=1",
        'old; python_version < "3"',
        'more; extra == "all" and os_name == "nt"',
    )


def test_a_source_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "source-1.0.tar.gz"
    broken.write_bytes(b"not an archive")
    with pytest.raises(ImageError, match=r"source-1\.0\.tar\.gz cannot be read"):
        needs_of(wheel_file(broken))

    cut = make_sdist(tmp_path / "cut")
    cut.write_bytes(cut.read_bytes()[:200])
    with pytest.raises(ImageError, match="cannot be read"):
        needs_of(wheel_file(cut))


def test_a_definition_says_what_is_built_from_source_and_what_never_is(
    shopping: Workshop, index: Index
) -> None:
    """pip's --no-binary and --only-binary."""
    make_sdist(index.folder, "basket", "2.0", says=["source"])
    make_sdist(index.folder, "source", "1.0")

    forced = resolve(empty_base(), ["--no-binary=Basket", "basket"], shopping, Recorder())

    assert kinds(forced) == {"basket": ("2.0", "sdist"), "source": ("1.0", "sdist")}
    for option in ("--only-binary :all:", "--only-binary=other,source"):
        with pytest.raises(ImageError, match="source") as refused:
            resolve(empty_base(), [option, "shop"], shopping, Recorder())
        assert refused.value.fault == "author"
    with pytest.raises(ImageError, match="Not everything is built from source"):
        resolve(empty_base(), ["--no-binary :all:", "shop"], shopping, Recorder())


def test_an_option_of_pip_without_effect_is_logged(shopping: Workshop) -> None:
    reporter = Recorder()

    lock = resolve(empty_base(), ["--trusted-host pypi.example", "basket"], shopping, reporter)

    assert kinds(lock) == {"basket": ("2.0", "wheel")}
    assert "--trusted-host pypi.example: certificates are checked all the same" in reporter.log
