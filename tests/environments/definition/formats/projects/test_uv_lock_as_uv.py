"""A uv.lock is read as uv itself exports it: projects are made, locked by uv, and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from environments.definition import read_path
from environments.definition.model import Selection
from tests.environments.definition.formats.projects.with_uv import (
    exported,
    installed,
    read_requirements,
    run_uv,
    wheel,
)

PYTHONS = ("3.9", "3.10", "3.11", "3.12")
HEAD = '[project]\nname = "demo"\nversion = "0.1"\nrequires-python = ">=3.9,<3.13"\n'


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "base", "1.0")
    wheel(folder, "base", "2.0", ["leaf; python_version < '3.11'", "twig; extra == 'more'"], ["more"])
    wheel(folder, "leaf", "1.0")
    wheel(folder, "leaf", "2.0", ["base>=1", "win-only; sys_platform == 'win32'"])
    wheel(folder, "twig", "1.0", ["leaf<2; python_version < '3.10'", "leaf; python_version >= '3.10'"])
    wheel(folder, "twig", "2.0", ["base[more]"])
    wheel(folder, "win-only", "1.0")
    wheel(folder, "cpu-build", "1.0", ["base<2"])
    wheel(folder, "gpu-build", "1.0", ["base>=2"])
    return folder


MARKERS = st.sampled_from(
    [
        "",
        " ; python_version < '3.11'",
        " ; python_version >= '3.10'",
        " ; python_full_version >= '3.10.2'",
        " ; sys_platform == 'win32'",
        " ; sys_platform != 'darwin' and python_version != '3.11'",
        " ; platform_machine == 'aarch64' or python_version < '3.12'",
    ]
)
NAMES = st.sampled_from(
    ["base", "base[more]", "leaf", "twig", "base>=1", "leaf<2", "leaf>=2", "twig==1.0", "win-only"]
)
LINES = st.lists(st.builds(str.__add__, NAMES, MARKERS), max_size=3)
PROJECTS = st.fixed_dictionaries(
    {
        "dependencies": LINES,
        "extra": LINES,
        "other": LINES,
        "group": LINES,
        "default": st.booleans(),
        "conflict": st.booleans(),
        "itself": st.booleans(),
        "environments": st.sampled_from(["", "environments = [\"sys_platform == 'linux'\"]\n"]),
    }
)


def manifest(project: Mapping[str, object]) -> str:
    extra = [*project["extra"], "cpu-build"] if project["conflict"] else project["extra"]  # type: ignore[misc]
    other = [*project["other"], "gpu-build"] if project["conflict"] else project["other"]  # type: ignore[misc]
    both = (
        ""
        if project["conflict"] or not project["itself"]
        else 'both = ["demo[extra]", "demo[other]; python_version >= \'3.10\'"]\n'
    )
    conflicts = 'conflicts = [[{ extra = "extra" }, { extra = "other" }]]\n' if project["conflict"] else ""
    default = 'default-groups = ["dev", "group"]\n' if project["default"] else ""
    return (
        f"{HEAD}dependencies = {project['dependencies']!r}\n"
        f"[project.optional-dependencies]\nextra = {extra!r}\nother = {other!r}\n{both}"
        f'[dependency-groups]\ngroup = {project["group"]!r}\ndev = ["base", {{ include-group = "group" }}]\n'
        f"[tool.uv]\n{conflicts}{default}{project['environments']}"
    )


CHOICES = (
    (Selection(), ()),
    (Selection(extras=("extra",)), ("--extra", "extra")),
    (Selection(extras=("other",)), ("--extra", "other")),
    (Selection(groups=("group",), no_default_groups=True), ("--no-default-groups", "--group", "group")),
    (Selection(no_groups=("group",)), ("--no-group", "group")),
)


@pytest.mark.slow
@given(PROJECTS)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_any_lock_is_read_as_uv_exports_it(wheels: Path, project: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(manifest(project))
        locked = run_uv(folder, "lock", "--no-index", "--find-links", str(wheels))
        if locked.returncode != 0:  # no versions fit together
            assert "No solution" in locked.stderr, locked.stderr
            return
        for selection, arguments in CHOICES:
            reading = read_path(folder / "uv.lock", selection=selection)
            theirs = exported(folder, *arguments)
            if not any(installed(theirs, python) for python in PYTHONS):
                assert [error.code for error in reading.errors] == ["project-empty"]
                continue
            ours = read_requirements(reading)
            for python in PYTHONS:
                assert installed(ours, python) == installed(theirs, python), (
                    python,
                    selection,
                    locked.stderr,
                )
            assert "lock-stale" not in [finding.code for finding in reading.findings]


@pytest.mark.slow
def test_a_lock_is_outdated_where_uv_says_so(wheels: Path, tmp_path: Path) -> None:
    solve = ("--no-index", "--find-links", str(wheels))
    path = tmp_path / "pyproject.toml"
    path.write_text(f'{HEAD}dependencies = ["base"]\n[project.optional-dependencies]\nmore = ["leaf"]\n')
    assert run_uv(tmp_path, "lock", *solve).returncode == 0
    changes = {
        '["base<2"]\n[project.optional-dependencies]\nmore = ["leaf"]\n': True,
        '["base", "leaf"]\n[project.optional-dependencies]\nmore = ["leaf"]\n': True,
        '["base[more]"]\n[project.optional-dependencies]\nmore = ["leaf"]\n': True,
        '["base"]\n[project.optional-dependencies]\nmore = ["leaf", "twig"]\n': True,
        '["base"]\n[project.optional-dependencies]\nmore = ["leaf"]\n[dependency-groups]\ntest = ["twig"]\n': True,
        "['BASE']\n[project.optional-dependencies]\nmore = ['leaf']\n": False,
        '["base"]\n[project.optional-dependencies]\nmore = ["leaf"]\n[tool.ruff]\nline-length = 90\n': False,
    }
    for change, outdated in changes.items():
        path.write_text(f"{HEAD}dependencies = {change}")
        assert (run_uv(tmp_path, "lock", "--check", *solve).returncode != 0) == outdated
        codes = [error.code for error in read_path(tmp_path / "uv.lock").errors]
        assert codes == (["lock-stale"] if outdated else []), change


@pytest.mark.slow
def test_a_change_that_leaves_the_lock_its_packages_is_a_warning(wheels: Path, tmp_path: Path) -> None:
    solve = ("--no-index", "--find-links", str(wheels))
    path = tmp_path / "pyproject.toml"
    path.write_text(f'{HEAD}dependencies = ["base", "leaf<3"]\n')
    assert run_uv(tmp_path, "lock", *solve).returncode == 0
    path.write_text(f'{HEAD}dependencies = ["base>=1,<3", "leaf"]\n')
    reading = read_path(tmp_path / "uv.lock")
    assert "lock-behind" in [finding.code for finding in reading.findings]
    before = read_requirements(reading)
    assert run_uv(tmp_path, "lock", *solve).returncode == 0
    again = read_path(tmp_path / "uv.lock")
    assert read_requirements(again) == before
    assert "lock-behind" not in [finding.code for finding in again.findings]


@pytest.mark.slow
def test_a_workspace_is_read_by_its_root_or_by_all_its_members_where_the_root_requests_nothing(
    wheels: Path, tmp_path: Path
) -> None:
    tool = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
    for name, line in (("one", "base<2"), ("two", "twig<2")):
        member = tmp_path / "packages" / name
        member.mkdir(parents=True)
        text = HEAD.replace("demo", name) + f"dependencies = [{line!r}]\n"
        (member / "pyproject.toml").write_text(text)
    roots = {
        tool: ("--all-packages",),
        f"{HEAD}dependencies = []\n{tool}": ("--all-packages",),
        f'{HEAD}dependencies = ["one"]\n{tool}[tool.uv.sources]\none = {{ workspace = true }}\n': (),
    }
    for root, arguments in roots.items():
        (tmp_path / "pyproject.toml").write_text(root)
        done = run_uv(tmp_path, "lock", "--no-index", "--find-links", str(wheels))
        assert done.returncode == 0, done.stderr
        for alone in (False, True):
            reading = read_path(tmp_path / "uv.lock")
            ours, theirs = read_requirements(reading), exported(tmp_path, *arguments)
            for python in PYTHONS:
                assert installed(ours, python) == installed(theirs, python), root
            notes = [finding.code for finding in reading.findings if finding.code == "workspace-read"]
            assert notes == (["workspace-read"] if arguments else [])
            if not alone:
                # Without its manifest the lock is read the same.
                (tmp_path / "elsewhere").mkdir(exist_ok=True)
                other = tmp_path / "elsewhere" / "uv.lock"
                other.write_bytes((tmp_path / "uv.lock").read_bytes())
                assert read_requirements(read_path(other)) == ours
                other.unlink()
