"""A pdm.lock is read exactly: by its groups and markers, or by a walk from the project."""

from __future__ import annotations

from pathlib import Path

from environments.definition import read
from tests.environments.definition.formats.projects.files import FILES, faults, lines, reading_of

MANIFEST = """\
[project]
name = "lab"
version = "1"
requires-python = ">=3.9"
dependencies = ["uvicorn[standard]>=0.30", "tomli; python_version < '3.11'", "colorama; sys_platform == 'win32'"]
[project.optional-dependencies]
tables = ["rich"]
[dependency-groups]
dev = ["pytest"]
[tool.pdm]
distribution = false
[tool.pdm.dev-dependencies]
lint = ["ruff", "-e file:///${PROJECT_ROOT}/tools#egg=tools"]
[[tool.pdm.source]]
name = "own"
url = "https://own.example.org/simple"
"""


def package(name: str, version: str, group: str = "default", more: str = "") -> str:
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\ngroups = ["{group}"]\n{more}{FILES}\n'


def lock(strategy: str, metadata: str = "") -> str:
    groups = 'groups = ["default", "dev", "tables"]\n'
    head = f'[metadata]\n{groups}strategy = [{strategy}]\nlock_version = "4.5.0"\ncontent_hash = "sha256:x"\n{metadata}\n'
    return head + "".join(
        [
            package("colorama", "0.4.6", more='marker = "sys_platform == \\"win32\\""\n'),
            package("h11", "0.14.0"),
            package("httptools", "0.6"),
            package("pytest", "8.0", "dev", 'dependencies = ["tomli; python_version < \\"3.11\\"", "colorama; os_name == \\"nt\\""]\n'),
            package("rich", "13.0", "tables"),
            package("tomli", "2.0", more='marker = "python_version < \\"3.11\\""\n'),
            package("uvicorn", "0.30", more='dependencies = ["h11>=0.8"]\n'),
            package("uvicorn", "0.30", more='extras = ["standard"]\ndependencies = ["uvicorn==0.30", "httptools>=0.5"]\n'),
        ]
    )  # fmt: skip


MAIN = ["h11==0.14.0", "httptools==0.6", 'tomli==2.0 ; python_version < "3.11"', "uvicorn==0.30"]


def test_a_lock_with_groups_and_markers_needs_no_project() -> None:
    reading = read(
        lock('"inherit_metadata"', '[[metadata.targets]]\nrequires_python = ">=3.9"\n'), "pdm.lock"
    )
    assert reading.format == "pdm-lock"
    assert lines(reading) == MAIN
    assert reading.offers.groups == ("dev", "tables")
    assert reading.definition is not None
    assert reading.definition.python.requires_python == ">=3.9"


def test_a_lock_without_markers_is_walked_from_the_project(tmp_path: Path) -> None:
    files = {"pyproject.toml": MANIFEST, "pdm.lock": lock("")}
    reading = reading_of(tmp_path, files, "pdm.lock")
    assert lines(reading) == ["--extra-index-url https://own.example.org/simple", *MAIN]
    assert faults(reading) == [("lock-changed", None)]
    assert (reading.offers.extras, reading.offers.groups) == (("tables",), ("dev", "lint"))
    chosen = reading_of(tmp_path, files, "pdm.lock", extras=("tables",), groups=("dev",))
    assert {"rich==13.0", "pytest==8.0"} <= set(lines(chosen))


def test_the_hash_of_the_project_is_that_of_pdm(tmp_path: Path) -> None:
    # pdm 2.29.4 computes it.
    digest = "e0120b531bfad186b960c5f5d6a95242b89d1b752409270e37a7a0be019da6c4"
    files = {"pyproject.toml": MANIFEST, "pdm.lock": lock("").replace("sha256:x", f"sha256:{digest}")}
    assert faults(reading_of(tmp_path, files, "pdm.lock")) == []


def test_a_group_that_is_not_locked_is_refused(tmp_path: Path) -> None:
    files = {"pyproject.toml": MANIFEST, "pdm.lock": lock('"inherit_metadata"')}
    reading = reading_of(tmp_path, files, "pdm.lock", groups=("lint",))
    assert "lock-uncovered" in [error.code for error in reading.errors]


def test_a_lock_for_windows_alone_is_refused() -> None:
    target = '[[metadata.targets]]\nrequires_python = ">=3.9"\nplatform = "windows_amd64"\n'
    assert [error.code for error in read(lock('"inherit_metadata"', target), "pdm.lock").errors] == [
        "lock-uncovered"
    ]


def test_a_lock_that_does_not_fit_the_project_is_refused(tmp_path: Path) -> None:
    files = {"pyproject.toml": MANIFEST.replace("0.30", "0.31"), "pdm.lock": lock("")}
    reading = reading_of(tmp_path, files, "pdm.lock")
    assert [(error.code, error.file) for error in reading.errors] == [("lock-stale", "pyproject.toml")]


def test_repositories_addresses_and_folders_are_kept_apart() -> None:
    text = '[metadata]\nlock_version = "4.5.0"\nstrategy = ["inherit_metadata"]\ncontent_hash = "x"\n'
    text += package("a", "1", more='git = "https://example.org/a.git"\nref = "main"\nrevision = "abc"\n')
    text += package("b", "1", more='url = "https://example.org/b-1-py3-none-any.whl"\n')
    text += package("c", "1", more='path = "./c"\neditable = true\n')
    reading = read(text, "")
    assert lines(reading) == [
        "a @ git+https://example.org/a.git@abc",
        "b @ https://example.org/b-1-py3-none-any.whl",
    ]
    assert "project-left-out" in [finding.code for finding in reading.findings]
