"""Solving conda packages for a target: stated by the definition, shown by the base image, or neither."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from rattler import (
    BuildString,
    Channel,
    Gateway,
    GenericVirtualPackage,
    MatchSpec,
    PackageName,
    Version,
    solve,
)
from rattler.platform.subdir import Subdir

from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.conda.environment import resolve_environment
from builds.imaging.lock import Lock
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.definition.model import Target
from tests.builds.imaging.conda.making import index, make_module, make_package
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base

pytestmark = pytest.mark.slow

PLAIN = Probe(libc="glibc", libc_version="2.31")
WITH_CUDA = PLAIN.model_copy(update={"cuda": "12.4", "cuda_from": "CUDA_VERSION"})


@pytest.fixture(scope="module")
def gpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A channel of packages with builds for GPUs, C libraries and processors, as conda-forge has them."""
    folder = tmp_path_factory.mktemp("gpus")
    for version in ("1.0", "1.1"):
        make_package(folder, "libtorch", version, build="cpu_0")
        make_package(folder, "libtorch", version, build="cuda12_0", build_number=9, needs=["__cuda >=12"])
        for build, number in (("cpu_0", 0), ("cuda12_0", 9)):
            needs = [f"libtorch {version} {build}"]
            needs += ["__cuda >=12"] if number else []
            make_package(folder, "torch", version, build=build, build_number=number, needs=needs)
    make_package(folder, "torch-cpu", "1.1", needs=["torch 1.1 cpu*"])
    make_package(folder, "cpuonly")
    make_package(folder, "vision", needs=["torch"])
    # Nothing but its build string says that it is for GPUs.
    make_package(folder, "boost", "1.0", build="h1_0", build_number=9)
    make_package(folder, "boost", "1.1", build="gpu_h1_0", needs=["__glibc >=9"])
    make_package(folder, "plain", "1.0", build="nocuda_0", build_number=9)
    make_package(folder, "plain", "1.0", build="h0_0")
    make_package(folder, "outdated", "1.0", build="cuda_0")
    make_package(folder, "outdated", "2.0", build="h0_0")
    make_package(folder, "newer", "1.0")
    make_package(folder, "newer", "2.0", needs=["__glibc >=2.28"])
    make_package(folder, "newest", "1.0")
    make_package(folder, "newest", "2.0", needs=["__glibc >=2.34"])
    make_package(folder, "driver", "1.0")
    make_package(folder, "driver", "2.0", needs=["__linux >=6"])
    for level, version in (("x86_64", "1"), ("x86_64_v3", "3")):
        make_package(folder, "level", version, build=level, needs=[f"__archspec 1.* {level}"])
    make_package(folder, "python", "3.12.4")
    make_module(folder, "module")
    return index(folder)


def resolved(
    workshop: Workshop,
    channel: str,
    *conda: str,
    target: Target | None = None,
    probe: Probe = PLAIN,
    previous: Lock | None = None,
    reporter: Recorder | None = None,
) -> Lock:
    base = replace(empty_base(), probe=probe)
    return resolve_environment(
        base, [channel], conda, (), workshop, reporter or Recorder(), previous, target or Target()
    )


def packages(lock: Lock) -> list[tuple[str, str, str]]:
    return [(package.name, package.version, package.build) for package in lock.packages]


# rattler itself, called with the same virtual packages, decides what is right

ALL = ("torch", "newer", "newest", "driver", "level", "boost", "plain")
USUAL = {"__unix": "0", "__linux": "5.10", "__glibc": "2.31", "__archspec": "1=x86_64"}


def by_rattler(channel: str, folder: Path, virtual: dict[str, str]) -> list[tuple[str, str, str]]:
    records = asyncio.run(
        solve(
            [Channel(channel)],
            [MatchSpec(name) for name in ALL],
            gateway=Gateway(cache_dir=folder, show_progress=False),
            platforms=[Subdir("linux-64"), Subdir("noarch")],
            virtual_packages=[
                GenericVirtualPackage(
                    PackageName(name),
                    Version(text.partition("=")[0]),
                    BuildString(text.partition("=")[2] or "0"),
                )
                for name, text in virtual.items()
            ],
        )
    )
    return sorted((r.name.normalized, str(r.version), str(r.build)) for r in records)


@pytest.mark.parametrize(
    ("target", "probe", "virtual"),
    [
        (Target(), PLAIN, {}),
        (Target(), WITH_CUDA, {"__cuda": "12.4"}),
        (Target(cuda="12.6"), PLAIN, {"__cuda": "12.6"}),
        (Target(cuda="11.8"), WITH_CUDA, {"__cuda": "11.8"}),
        (Target(glibc="2.17"), PLAIN, {"__glibc": "2.17"}),
        (Target(glibc="2.40"), PLAIN, {}),
        (Target(linux="6.1", cpu="x86_64_v3"), PLAIN, {"__linux": "6.1", "__archspec": "1=x86_64_v3"}),
    ],
)
def test_a_target_gives_what_rattler_solves_with_its_virtual_packages(
    workshop: Workshop, gpus: str, tmp_path: Path, target: Target, probe: Probe, virtual: dict[str, str]
) -> None:
    lock = resolved(workshop, gpus, *ALL, target=target, probe=probe)

    assert packages(lock) == by_rattler(gpus, tmp_path / "rattler", USUAL | virtual)


def test_each_part_of_a_target_decides_about_the_packages_that_need_it(workshop: Workshop, gpus: str) -> None:
    names = ("torch", "newer", "newest", "driver", "level")
    without = resolved(workshop, gpus, *names, target=Target(glibc="2.17"))
    full = Target(cuda="12.4", glibc="2.28", linux="6.1", cpu="x86_64_v3")
    stated = resolved(workshop, gpus, *names, target=full)

    assert packages(without) == [
        ("driver", "1.0", "h0_0"),
        ("level", "1", "x86_64"),
        ("libtorch", "1.1", "cpu_0"),
        ("newer", "1.0", "h0_0"),
        ("newest", "1.0", "h0_0"),
        ("torch", "1.1", "cpu_0"),
    ]
    assert packages(stated) == [
        ("driver", "2.0", "h0_0"),
        ("level", "3", "x86_64_v3"),
        ("libtorch", "1.1", "cuda12_0"),
        ("newer", "2.0", "h0_0"),
        ("newest", "1.0", "h0_0"),
        ("torch", "1.1", "cuda12_0"),
    ]


# The log


@pytest.mark.parametrize(
    ("target", "probe", "says"),
    [
        (
            Target(),
            PLAIN,
            "Virtual packages: __linux=5.10 (assumed), __glibc=2.31 (the base image), __archspec=1=x86_64 (the"
            " platform); no __cuda, as neither the definition nor the base has CUDA",
        ),
        (Target(), WITH_CUDA, "__cuda=12.4 (the base image: CUDA_VERSION)"),
        (Target(cuda="11.8"), WITH_CUDA, "__cuda=11.8 (the definition's target)"),
        (
            Target(glibc="2.17", linux="6.1", cpu="x86_64_v3"),
            PLAIN,
            "__linux=6.1 (the definition's target), __glibc=2.17 (the definition's target), __archspec=1=x86_64_v3"
            " (the definition's target)",
        ),
        (Target(glibc="2.40"), PLAIN, "states glibc 2.40, and the base image has 2.31"),
    ],
)
def test_the_log_says_which_virtual_packages_were_used_and_from_where(
    workshop: Workshop, gpus: str, reporter: Recorder, target: Target, probe: Probe, says: str
) -> None:
    resolved(workshop, gpus, "newer", target=target, probe=probe, reporter=reporter)

    assert says in reporter.log


def test_a_conflict_with_the_machine_names_what_it_is_solved_for(workshop: Workshop, gpus: str) -> None:
    with pytest.raises(ImageError) as without:
        resolved(workshop, gpus, "torch=*=cuda12*")
    with pytest.raises(ImageError) as old:
        resolved(workshop, gpus, "torch=*=cuda12*", target=Target(cuda="11.8"))

    assert "There is no __cuda in it" in without.value.help
    assert "__cuda=11.8" in old.value.help
    assert "There is no __cuda" not in old.value.help


# The warning about CPU builds


def test_a_cpu_build_of_what_has_gpu_builds_is_a_warning_in_the_log_and_the_lock(
    workshop: Workshop, gpus: str, reporter: Recorder
) -> None:
    lock = resolved(workshop, gpus, "vision", "boost", reporter=reporter)

    boost, torch = lock.warnings
    assert torch.startswith(
        "torch 1.1 is installed in its CPU build cpu_0, and there is 1.1 cuda12_0 for GPUs, which needs __cuda"
        " >=12: state the CUDA version"
    )
    assert "or take a base image with CUDA" in torch
    assert "boost 1.0 is installed in its CPU build h1_0, and there is 1.1 gpu_h1_0 for GPUs" in boost
    assert all(f"Warning: {warning}" in reporter.lines for warning in lock.warnings)
    assert Lock.from_json(lock.to_json()) == lock


@pytest.mark.parametrize(
    ("conda", "target"),
    [
        (("torch", "vision"), Target(cuda="12.4")),  # it has its GPU build
        (("newer", "plain"), Target(cuda="12.4")),  # nothing has one
        (("plain", "outdated"), Target()),  # nocuda is none, and an older version is no way out
        (("torch=1.1=cpu_0",), Target()),  # chosen by name
        (("torch-cpu",), Target()),
        (("torch", "cpuonly"), Target()),
    ],
)
def test_what_is_chosen_or_has_no_gpu_build_is_no_warning(
    workshop: Workshop, gpus: str, conda: tuple[str, ...], target: Target
) -> None:
    assert resolved(workshop, gpus, *conda, target=target).warnings == ()


def test_a_cuda_that_is_too_old_for_gpu_builds_is_named(workshop: Workshop, gpus: str) -> None:
    (warning,) = resolved(workshop, gpus, "torch", probe=WITH_CUDA, target=Target(cuda="11.8")).warnings

    assert "needs __cuda >=12: __cuda=11.8 (the definition's target) is not enough." in warning


def test_a_gpu_build_that_the_solver_passes_over_is_named_to_be_requested(
    workshop: Workshop, tmp_path: Path
) -> None:
    make_package(tmp_path, "jax", build="cpu_0", build_number=9)
    make_package(tmp_path, "jax", build="cuda_0", needs=["__cuda"])

    (warning,) = resolved(workshop, index(tmp_path), "jax", target=Target(cuda="12.4")).warnings

    assert "name it (jax=1.0=cuda_0) if the image is for GPUs" in warning


@pytest.fixture(scope="module")
def amd(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A channel with builds for ROCm: alone, and beside builds for CUDA."""
    folder = tmp_path_factory.mktemp("amd")
    for name in ("hipped", "both"):
        make_package(folder, name, build="cpu_0", build_number=9)
        make_package(folder, name, build="rocm62_0")
    make_package(folder, "both", build="cuda12_0", needs=["__cuda >=12"])
    make_package(folder, "plain", build="norocm_0", build_number=9)
    make_package(folder, "plain", build="h0_0")
    make_package(folder, "needing", build="h0_0", build_number=9)
    make_package(folder, "needing", build="h1_0", needs=["__hip >=6"])
    return index(folder)


@pytest.mark.parametrize("target", [Target(), Target(cuda="12.4")])
def test_a_cpu_build_beside_a_build_for_rocm_is_a_warning(
    workshop: Workshop, amd: str, target: Target
) -> None:
    hipped, needing = resolved(workshop, amd, "hipped", "needing", "plain", target=target).warnings

    assert hipped.startswith(
        "hipped 1.0 is installed in its CPU build cpu_0, and there is 1.0 rocm62_0 for AMD"
    )
    assert hipped.endswith("name it (hipped=1.0=rocm62_0) if the image is for AMD GPUs.")
    assert "there is 1.0 h1_0 for AMD GPUs" in needing


def test_a_build_for_cuda_is_named_before_one_for_rocm(workshop: Workshop, amd: str) -> None:
    (warning,) = resolved(workshop, amd, "both").warnings
    assert "there is 1.0 cuda12_0 for GPUs, which needs __cuda >=12: state the CUDA version" in warning


def test_a_build_for_rocm_that_is_chosen_is_a_gpu_build(workshop: Workshop, amd: str) -> None:
    lock = resolved(workshop, amd, "hipped=1.0=rocm*", "both=1.0=rocm*")
    assert (lock.warnings, {build for _, _, build in packages(lock)}) == ((), {"rocm62_0"})


def test_a_cpu_build_of_the_image_before_is_kept_beside_builds_for_rocm(workshop: Workshop, amd: str) -> None:
    before = resolved(workshop, amd, "hipped")
    again = resolved(workshop, amd, "hipped", target=Target(cuda="12.4"), previous=before)
    assert packages(again) == packages(before)


def test_a_gpu_build_of_another_channel_is_not_named(workshop: Workshop, gpus: str, tmp_path: Path) -> None:
    """The first channel that has a package is the only one for it."""
    make_package(tmp_path, "torch", "1.1", build="cpu_0")
    base = replace(empty_base(), probe=PLAIN)

    lock = resolve_environment(base, [index(tmp_path), gpus], ["torch"], (), workshop, Recorder())

    assert lock.warnings == ()


def test_a_record_that_no_solver_reads_is_no_gpu_build_that_fits(workshop: Workshop, tmp_path: Path) -> None:
    make_package(tmp_path, "odd", build="cpu_0", build_number=9)
    make_package(tmp_path, "odd", build="cuda_0", needs=["__cuda >=13"])
    channel = index(tmp_path)
    listing = (tmp_path / "linux-64" / "repodata.json").read_text().replace("__cuda >=13", "__cuda >=!,*")
    for path in (tmp_path / "linux-64").glob("repodata*"):
        path.unlink()
    (tmp_path / "linux-64" / "repodata.json").write_text(listing)

    (warning,) = resolved(workshop, channel, "odd", target=Target(cuda="12.4")).warnings

    assert "is not enough" in warning


# The image before


def test_a_cpu_build_of_the_image_before_gives_way_once_a_target_is_stated(
    workshop: Workshop, gpus: str
) -> None:
    before = resolved(workshop, gpus, "torch=1.0", "newer=1.0")

    stated = resolved(workshop, gpus, "torch", "newer", target=Target(cuda="12.4"), previous=before)
    again = resolved(workshop, gpus, "torch", "newer", previous=before)
    back = resolved(workshop, gpus, "torch", previous=stated)

    assert ("newer", "1.0", "h0_0") in packages(stated)
    assert ("torch", "1.1", "cuda12_0") in packages(stated)
    assert packages(again) == packages(before)
    assert ("torch", "1.1", "cpu_0") in packages(back)


# The Python that the definition is for


def test_a_python_of_conda_that_the_definition_is_not_for_stops_the_build(
    workshop: Workshop, gpus: str
) -> None:
    base: Base = replace(empty_base(), probe=PLAIN)

    with pytest.raises(ImageError) as result:
        resolve_environment(
            base, [gpus], ["python"], ["six"], workshop, Recorder(), requires_python=">=3.13,<3.15"
        )

    assert (result.value.code, result.value.fault) == ("other-python", "author")
    assert "for Python >=3.13,<3.15, and conda brings Python 3.12.4." in result.value.message
    assert "Name among the conda packages a Python that it is for, such as Python 3.13" in result.value.help
