"""Packages that cannot be made for another platform than this machine's are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from builds.imaging.bases.model import Base
from builds.imaging.bases.probe import Probe
from builds.imaging.download.fetch import Fetched
from builds.imaging.files import WheelFile
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.platforms import of_this_machine
from builds.imaging.reporting import ImageError
from builds.worker.install_plan import InstallPlan
from builds.worker.platforms.targets import Target, refuse_scripts, refuse_sources, with_wheels_of

PLAN = InstallPlan((), ("x",), "")
FOREIGN = "linux/arm64" if of_this_machine() == "linux/amd64" else "linux/amd64"


def package(name: str, kind: str, version: str = "1.0") -> LockedPackage:
    filename = f"{name}-{version}.tar.gz" if kind == "sdist" else f"{name}-{version}-py3-none-any.whl"
    return LockedPackage.model_validate(
        {
            "ecosystem": "pypi",
            "name": name,
            "version": version,
            "url": f"https://x/{filename}",
            "sha256": "a" * 64,
            "filename": filename,
            "kind": kind,
        }
    )


def target(platform: str, *packages: LockedPackage, built: tuple[str, ...] = ()) -> Target:
    base = Base("b:1", "sha256:" + "0" * 64, (), (), {}, Probe(version="3.11.7"))
    wheels = tuple(WheelFile(f.split("-")[0], "1.0", Path(f), "b" * 64, 1) for f in built)
    fetched = Fetched(wheels, 0)
    return Target(platform, base, PLAN, platform == FOREIGN, Lock(packages=packages), fetched)


def test_sources_of_a_foreign_platform_alone_are_refused_all_at_once() -> None:
    own = target(of_this_machine(), package("pure", "sdist"), package("a", "wheel"))
    foreign = target(FOREIGN, package("pure", "sdist"), package("a", "sdist"), package("b", "sdist"))

    with pytest.raises(ImageError, match=f"^a 1.0, b 1.0 have no wheel for {FOREIGN}") as refused:
        refuse_sources([own, foreign])

    assert refused.value.code == "no-matching-distribution"
    refuse_sources([own, target(FOREIGN, package("pure", "sdist"))])
    refuse_sources([foreign.with_files(Lock(), Fetched((), 0)), own])


def test_a_wheel_that_was_built_for_any_platform_serves_the_foreign_one() -> None:
    own = target(of_this_machine(), package("pure", "sdist"), built=("pure-1.0-py3-none-any.whl",))

    served = with_wheels_of(own, target(FOREIGN, package("pure", "sdist"), built=("a-1.0-py3-none-any.whl",)))

    assert [file.name for file in served.fetched.wheels] == ["a", "pure"]


def test_a_wheel_that_was_compiled_here_is_refused_for_the_foreign_platform() -> None:
    own = target(
        of_this_machine(), package("fast", "sdist"), built=("fast-1.0-cp311-cp311-linux_x86_64.whl",)
    )

    with pytest.raises(ImageError, match=f"fast 1.0 has no wheel for {FOREIGN}"):
        with_wheels_of(own, target(FOREIGN, package("fast", "sdist")))


def test_scripts_of_conda_packages_run_on_this_machines_platform_only() -> None:
    refuse_scripts(target(of_this_machine()), ["r-base"])
    refuse_scripts(target(FOREIGN), [])
    with pytest.raises(ImageError, match=f"r-base, x for {FOREIGN} run a script") as refused:
        refuse_scripts(target(FOREIGN), ["r-base", "x"])
    assert refused.value.code == "post-link-script"
