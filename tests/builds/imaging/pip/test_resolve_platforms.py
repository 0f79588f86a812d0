"""Resolving for the platform of a base: its Python, C library and architecture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builds.imaging.bases.probe import Probe
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.pip.pylock import packages_of, target_tags
from builds.imaging.pip.resolve import resolve
from builds.imaging.pip.targets.platforms import uv_platform
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base


def test_a_base_without_python_takes_no_packages(workshop: Workshop) -> None:
    base = empty_base()
    bare = replace(base, probe=Probe())

    with pytest.raises(ImageError) as refused:
        resolve(bare, ["shop"], workshop, Recorder())
    assert refused.value.code == "no-python"


@pytest.mark.parametrize(
    ("probe", "platform"),
    [
        (Probe(libc="glibc", libc_version="2.36"), "x86_64-manylinux_2_36"),
        (Probe(libc="glibc", libc_version="2.30"), "x86_64-manylinux_2_28"),
        (Probe(libc="glibc", libc_version="2.99"), "x86_64-manylinux_2_40"),
        (Probe(libc="glibc", libc_version="2.35", architecture="arm64"), "aarch64-manylinux_2_35"),
        (Probe(libc="musl", libc_version="1.2.4"), "x86_64-unknown-linux-musl"),
    ],
)
def test_the_solver_resolves_for_the_platform_of_the_base(probe: Probe, platform: str) -> None:
    assert uv_platform(probe) == platform


@pytest.mark.parametrize(
    ("architecture", "libc"), [("386", "glibc"), ("arm", "glibc"), ("riscv64", "glibc"), ("s390x", "musl")]
)
def test_a_base_of_an_architecture_that_has_no_packages_is_refused(architecture: str, libc: str) -> None:
    probe = Probe(libc=libc, libc_version="2.36" if libc == "glibc" else "1.2", architecture=architecture)

    with pytest.raises(ImageError, match=f"for {architecture} with {libc}") as refused:
        uv_platform(probe)
    assert (refused.value.code, refused.value.fault) == ("base-unfit", "author")


@pytest.mark.parametrize("version", ["2.7.18", "3.5.2"])
def test_a_base_with_an_ancient_python_is_refused(workshop: Workshop, version: str) -> None:
    base = empty_base()
    old = replace(base, probe=base.probe.model_copy(update={"version": version}))

    with pytest.raises(ImageError, match=version) as refused:
        resolve(old, ["shop"], workshop, Recorder())
    assert (refused.value.code, refused.value.fault) == ("base-too-old", "author")


def test_a_base_with_an_ancient_c_library_is_refused() -> None:
    with pytest.raises(ImageError, match=r"glibc 2\.12"):
        uv_platform(Probe(libc="glibc", libc_version="2.12"))


def test_the_best_of_several_wheels_is_taken() -> None:
    names = [
        "shop-1.0-py3-none-any.whl",
        "shop-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "shop-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "shop-1.0-2-cp311-cp311-manylinux_2_28_x86_64.whl",
        "shop-1.0-10-cp311-cp311-manylinux_2_28_x86_64.whl",
        "shop-1.0-9-cp311-cp311-manylinux_2_28_x86_64.whl",
        "shop-not_a_wheel.whl",
        "shop-1.0-cp311-cp311-manylinux_2_39_x86_64.whl",
        "shop-1.0-cp311-cp311-musllinux_1_2_x86_64.whl",
        "shop-1.0-cp312-cp312-manylinux_2_28_x86_64.whl",
        "shop-1.0-cp38-abi3-manylinux_2_17_x86_64.whl",
    ]
    wheels = ", ".join(f'{{ url = "https://x/{n}", hashes = {{ sha256 = "{"a" * 64}" }} }}' for n in names)
    pylock = f'[[packages]]\nname = "shop"\nversion = "1.0"\nwheels = [{wheels}]\n'
    glibc = Probe(python="/p", version="3.11.7", libc="glibc", libc_version="2.36")
    musl = Probe(python="/p", version="3.11.7", libc="musl", libc_version="1.2.4")

    assert packages_of(pylock, glibc)[0].filename == "shop-1.0-10-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert packages_of(pylock, musl)[0].filename == "shop-1.0-cp311-cp311-musllinux_1_2_x86_64.whl"
    assert target_tags(glibc)[0].platform == "manylinux_2_36_x86_64"


@pytest.mark.parametrize(("version", "tag"), [("3.7.17", "cp37-cp37m"), ("3.8.10", "cp38-cp38")])
def test_wheels_of_old_pythons_are_known_by_the_names_they_had(version: str, tag: str) -> None:
    probe = Probe(python="/p", version=version, libc="glibc", libc_version="2.31")

    assert str(target_tags(probe)[0]) == f"{tag}-manylinux_2_31_x86_64"


def test_the_locks_digest_is_of_what_is_installed_not_of_where_it_came_from() -> None:
    package = LockedPackage(
        ecosystem="pypi",
        name="shop",
        version="1",
        url="https://a/x",
        sha256="a" * 64,
        filename="x.whl",
        kind="wheel",
    )
    lock = Lock(python="3.11.7", packages=(package,))

    elsewhere = lock.model_copy(update={"packages": (package.model_copy(update={"url": "https://b/x"}),)})
    another = lock.model_copy(update={"packages": (package.model_copy(update={"sha256": "b" * 64}),)})

    assert elsewhere.digest == lock.digest
    assert another.digest != lock.digest


def test_packages_are_found_for_a_python_and_a_c_library_that_are_not_this_machines(
    workshop: Workshop,
) -> None:
    newer = replace(
        empty_base(), probe=Probe(python="/p", version="3.13.1", libc="glibc", libc_version="2.36")
    )
    alpine = replace(
        empty_base(), probe=Probe(python="/p", version="3.12.4", libc="musl", libc_version="1.2.4")
    )

    (glibc,) = resolve(newer, ["markupsafe==3.0.2"], workshop, Recorder()).packages
    (musl,) = resolve(alpine, ["markupsafe==3.0.2"], workshop, Recorder()).packages

    assert "-cp313-cp313-manylinux_2_17_x86_64" in glibc.filename
    assert "-cp312-cp312-musllinux_1_2_x86_64" in musl.filename
