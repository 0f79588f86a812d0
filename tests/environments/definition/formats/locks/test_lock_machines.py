"""Locks that are for one kind of machine: read for the platform that is chosen, and refused for any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.definition import read, read_path
from environments.definition.model import Selection
from tests.environments.definition.formats.projects.with_uv import run_uv, wheel

ARM = ("linux/arm64",)
UV_LOCK = """\
version = 1
requires-python = ">=3.9"
resolution-markers = ["platform_machine == 'aarch64' and sys_platform == 'linux'"]
supported-markers = ["platform_machine == 'aarch64' and sys_platform == 'linux'"]

[[package]]
name = "demo"
version = "0.1"
source = { virtual = "." }
dependencies = [{ name = "base", marker = "platform_machine == 'aarch64' and sys_platform == 'linux'" }]

[[package]]
name = "base"
version = "2.0"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://files.pythonhosted.org/base-2.0-cp312-cp312-manylinux_2_28_aarch64.whl", hash = "sha256:%s" }]
""" % ("a" * 64)
PIXI_LOCK = """\
version: 6
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-aarch64:
      - conda: https://conda.anaconda.org/conda-forge/linux-aarch64/zlib-1.3.1-h86ecc28_2.conda
packages:
- conda: https://conda.anaconda.org/conda-forge/linux-aarch64/zlib-1.3.1-h86ecc28_2.conda
  sha256: b4f649aa3ecdae384d5dad7074e198bff120edd3dfb816588e31738fc6d627b1
  md5: bc230abb5d21b63ff4799b0e75204783
"""
PYLOCK = """\
lock-version = "1.0"
environments = ["platform_machine == 'aarch64' and sys_platform == 'linux'"]
created-by = "uv"
[[packages]]
name = "base"
version = "2.0"
marker = "platform_machine == 'aarch64'"
"""
PDM_LOCK = """\
[metadata]
groups = ["default"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"
content_hash = "sha256:1"

[[metadata.targets]]
requires_python = ">=3.9"
platform = "manylinux_2_28_aarch64"

[[package]]
name = "base"
version = "2.0"
groups = ["default"]
marker = "platform_machine == \\"aarch64\\""
files = [{file = "base-2.0-cp312-cp312-manylinux_2_28_aarch64.whl", hash = "sha256:%s"}]
""" % ("a" * 64)
LOCKS = {"uv.lock": UV_LOCK, "pixi.lock": PIXI_LOCK, "pylock.toml": PYLOCK, "pdm.lock": PDM_LOCK}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_for_arm_alone_is_read_where_that_platform_is_chosen(name: str) -> None:
    reading = read(LOCKS[name], name, selection=Selection(platforms=ARM))
    assert reading.definition is not None, reading.errors
    assert reading.definition.platforms == ARM
    lines = [*reading.definition.python.pip, *reading.definition.python.conda]
    assert len(lines) == len(reading.packages) == 1
    again = read(LOCKS[name], name, selection=reading.definition.selection)
    assert again.definition == reading.definition


@pytest.mark.parametrize("name", LOCKS)
@pytest.mark.parametrize("chosen", [(), ("linux/amd64",)])
def test_a_lock_for_arm_alone_is_refused_elsewhere_with_the_platform_to_choose(
    name: str, chosen: tuple[str, ...]
) -> None:
    reading = read(LOCKS[name], name, selection=Selection(platforms=chosen))
    (error,) = reading.errors
    assert error.code == "lock-uncovered"
    assert "--platform linux/arm64" in error.help


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_for_this_machine_alone_is_refused_for_arm_the_same_way(name: str) -> None:
    text = LOCKS[name].replace("linux-aarch64", "linux-64").replace("aarch64", "x86_64")
    assert read(text, name).accepted
    (error,) = read(text, name, selection=Selection(platforms=ARM)).errors
    assert (error.code, "--platform linux/amd64" in error.help) == ("lock-uncovered", True)


def test_a_lock_for_other_systems_names_no_platform_to_choose() -> None:
    text = UV_LOCK.replace("sys_platform == 'linux'", "sys_platform == 'win32'")
    (error,) = read(text, "uv.lock").errors
    assert (error.code, "--platform" in error.help) == ("lock-uncovered", False)


def test_a_project_that_uv_locks_for_two_machines_has_the_packages_of_the_chosen_machine(
    tmp_path: Path,
) -> None:
    wheels, project = tmp_path / "wheels", tmp_path / "project"
    wheels.mkdir()
    project.mkdir()
    for name in ("base", "for-arm"):
        wheel(wheels, name, "1.0")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["base", "for-arm; platform_machine == \'aarch64\'"]\n'
    )
    locked = run_uv(project, "lock", "--no-index", "--find-links", str(wheels))
    assert locked.returncode == 0, locked.stderr
    read_for = {
        platform: read_path(project / "uv.lock", selection=Selection(platforms=(platform,))).packages
        for platform in ("linux/amd64", "linux/arm64")
    }
    assert [[package.name for package in packages] for packages in read_for.values()] == [
        ["base"],
        ["base", "for-arm"],
    ]
