"""A pixi.lock and the manifest beside it: what both say together, and locks that no longer match."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.definition import read_path
from environments.definition.model import Selection, Target
from tests.environments.definition.formats.projects.pixi.samples import MANIFEST, V4, V6


def project(folder: Path, lock: str, manifest: str = MANIFEST, name: str = "pixi.toml") -> Path:
    (folder / "pixi.lock").write_text(lock)
    (folder / name).write_text(manifest)
    return folder


def test_a_folder_is_read_by_its_lock_with_the_variables_and_roots_of_its_manifest(tmp_path: Path) -> None:
    manifest = MANIFEST + '\n[activation.env]\nLEVEL = "1"\n[system-requirements]\ncuda = "12.4"\n'
    reading = read_path(project(tmp_path, V6, manifest))
    assert reading.definition is not None, reading.errors
    assert reading.format == "pixi-lock"
    assert reading.definition.variables == {"LEVEL": "1"}
    assert reading.definition.target == Target(cuda="12.4")
    assert [package.name for package in reading.packages if package.requested] == ["python", "flask"]
    assert reading.definition.hash == read_path(tmp_path / "pixi.lock").definition.hash  # type: ignore[union-attr]


def test_the_lock_is_passed_over_on_request(tmp_path: Path) -> None:
    for path in (project(tmp_path, V6), tmp_path / "pixi.lock"):
        reading = read_path(path, selection=Selection(ignore_lock=True))
        assert reading.definition is not None, reading.errors
        assert reading.format == "pixi-toml"
        assert reading.definition.python.conda == ("python 3.12.*",)
        assert reading.definition.selection == Selection(environment="default", ignore_lock=True)


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        (
            'python = "3.12.*"',
            'python = "3.13.*"',
            6,
            "it has python 3.12.3, and 'python 3.13.*' is requested",
        ),
        ('python = "3.12.*"', 'python = ">=3.10,<3.12"', 6, "it has python 3.12.3"),
        ('python = "3.12.*"', 'python = "!=3.12.3|>4"', 6, "it has python 3.12.3"),
        ('python = "3.12.*"', 'python = { version = "*", build = "*pypy*" }', 6, "it has python 3.12.3"),
        ('python = "3.12.*"', 'python = "3.12.*"\nscipy = "*"', 7, "it lacks scipy"),
        ('flask = ">=3"', 'flask = ">=3.1"', 9, "it has flask 3.0.0, and 'flask>=3.1' is requested"),
        ('flask = ">=3"', 'flask = "*"\nhttpx = "*"', 10, "it lacks httpx"),
    ],
)
def test_a_lock_that_does_not_hold_what_its_manifest_requests_is_stale(
    tmp_path: Path, old: str, new: str, line: int, why: str
) -> None:
    (error,) = read_path(project(tmp_path, V6, MANIFEST.replace(old, new))).errors
    assert (error.code, error.file, error.line) == ("lock-stale", "pixi.toml", line)
    assert why in error.message
    assert "pixi lock" in error.help


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('flask = ">=3"', "flask = { version = '>=3', env-markers = \"python_version >= '3.12'\" }"),
        ('flask = ">=3"', "flask = '>=3'\nold = { version = '*', env-markers = \"python_version < '3'\" }"),
        ('flask = ">=3"', 'flask = ">=3"\nlab = { path = "." }'),
        ('flask = ">=3"', 'flask = ">=4"\n[pypi-options.dependency-overrides]\nFlask = "==3.0"'),
        ('python = "3.12.*"', 'python = "3.12.3"'),
        ('python = "3.12.*"', 'python = "=3.12"'),
        ('python = "3.12.*"', 'python = { version = ">=3.12,<4|9", build = "*_cpython" }'),
        ('python = "3.12.*"', 'python = "*"\n__cuda = "*"'),
    ],
)
def test_a_lock_that_holds_what_is_requested_is_not_stale(tmp_path: Path, old: str, new: str) -> None:
    reading = read_path(project(tmp_path, V6, MANIFEST.replace(old, new)))
    assert reading.accepted, reading.errors


def test_a_requirement_of_pypi_may_be_met_by_a_conda_package_of_another_name(tmp_path: Path) -> None:
    lock = V6.replace("  purls: []\n", "  purls:\n  - pkg:pypi/The_Torch?source=hash\n", 1)
    manifest = MANIFEST.replace('flask = ">=3"', 'flask = ">=3"\nthe-torch = "*"')
    assert read_path(project(tmp_path, lock, manifest)).accepted
    # Older locks do not say what conda's packages are called on PyPI.
    assert read_path(project(tmp_path, V4, manifest)).accepted


def test_a_broken_manifest_beside_a_lock_is_named(tmp_path: Path) -> None:
    (error,) = read_path(project(tmp_path, V6, MANIFEST + "\n= broken")).errors
    assert (error.code, error.file) == ("bad-toml", "pixi.toml")


def test_a_pyproject_beside_the_lock_is_its_manifest(tmp_path: Path) -> None:
    manifest = (
        '[project]\nname = "lab"\ndependencies = ["flask>=4"]\nrequires-python = ">=3.11"\n'
        '[tool.pixi.workspace]\nchannels = ["conda-forge"]\nplatforms = ["linux-64"]\n'
    )
    (error,) = read_path(project(tmp_path, V6, manifest, "pyproject.toml")).errors
    assert (error.code, error.file, error.line) == ("lock-stale", "pyproject.toml", 3)
