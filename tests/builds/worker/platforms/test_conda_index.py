"""Conda packages for two platforms: solved for each, moved and never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from builds.images.platforms import deviations, locks_of
from builds.models import Build, BuildState
from builds.worker import runner
from environments.definition import read
from environments.versions.service import save_reading
from tests.builds.imaging.conda.making import index, make_package
from tests.builds.imaging.pip.test_machines import ARM, INTEL, elf
from tests.builds.scenarios import queue_build, workspace_named

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

AMD64, ARM64 = "linux-64", "linux-aarch64"


def built(base: str, channel: Path, *packages: str, platforms: str = "linux/amd64, linux/arm64") -> Build:
    conda = f"conda_file:\n  channels: [{index(channel)}]\n  dependencies: [{', '.join(packages)}]\n"
    text = f"image: {base}\nplatforms: [{platforms}]\n{conda}"
    reading = read(text, "environment.yaml")
    assert reading.definition is not None, reading.findings
    build = queue_build(save_reading(workspace_named("lab"), "conda", reading, source=text).version)
    runner.run_build(build.pk, "a worker of a test")
    return Build.objects.get(pk=build.pk)


def test_each_platform_gets_its_own_files_of_the_same_versions(debian_python: str, tmp_path: Path) -> None:
    for subdir, machine in ((AMD64, INTEL), (ARM64, ARM)):
        files = {"lib/libtool.so.1": elf(machine)}
        make_package(tmp_path, "tool", "1.0", files, subdir=subdir, build="h1234567_0")
        make_package(tmp_path, "lib", "1.0", {"share/lib": "1"}, subdir=subdir)
    # The newest version of one is for this platform alone, that of the other for the second.
    make_package(tmp_path, "lib", "2.0", {"share/lib": "2"}, subdir=AMD64)
    make_package(tmp_path, "tool", "2.0", {"share/tool": "2"}, subdir=ARM64)

    build = built(debian_python, tmp_path, "tool", "lib")

    assert build.state == BuildState.SUCCEEDED, build.error
    assert build.image is not None
    subdirs = [{package.subdir for package in lock.packages} for lock in locks_of(build.image).values()]
    assert subdirs == [{AMD64}, {ARM64}]
    assert [(each.name, each.version, each.first) for each in deviations(build.image)] == [
        ("lib", "1.0", "2.0")
    ]


def test_a_script_of_the_other_platform_is_refused_by_name(debian_python: str, tmp_path: Path) -> None:
    for subdir in (AMD64, ARM64):
        script = {"bin/.setup-post-link.sh": "#!/bin/sh\nexit 1\n"} if subdir == ARM64 else {"share/x": "x"}
        make_package(tmp_path, "setup", "1.0", script, subdir=subdir)

    build = built(debian_python, tmp_path, "setup")

    assert (build.state, build.error_code) == (BuildState.FAILED, "post-link-script")
    assert "setup for linux/arm64 runs a script once installed" in build.error
    assert not build.steps.filter(name="assemble").exists()


def test_a_module_for_another_machine_than_its_platform_is_refused(
    debian_python: str, tmp_path: Path
) -> None:
    path = "lib/python3.11/site-packages/_core.cpython-311-x86_64-linux-gnu.so"
    make_package(tmp_path, "core", "1.0", {path: elf(ARM, "_core")}, subdir=AMD64)

    build = built(debian_python, tmp_path, "core", platforms="linux/amd64")

    assert (build.state, build.error_code, build.error_fault) == (BuildState.FAILED, "bad-package", "outside")
    assert f"core-1.0-h0_0.conda is for linux-64, and {path} in it is for aarch64" in build.error
