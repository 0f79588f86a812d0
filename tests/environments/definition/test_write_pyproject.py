"""pyproject.toml is written so that uv and packaging read it, and reading it again gives the same hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from environments.definition import CannotWrite, Definition, read, write
from environments.definition.model import Cutoff, PythonLayer, Target
from tests.environments.definition.formats.projects.with_uv import run_uv, served, wheel


def definition(*lines: str, python: dict[str, Any] | None = None, **more: Any) -> Definition:
    return Definition(image="host", python=PythonLayer(pip=lines, **(python or {})), **more)


FULL = definition(
    "--index-url https://main.example/simple",
    "--extra-index-url https://team.example/simple",
    "--find-links https://team.example/files.html",
    "--pre",
    "--no-binary lxml",
    "--only-binary :all:",
    'numpy>=1.26,<3 ; python_version < "3.14"',
    "lab[plot] @ https://example.org/lab-1.0-py3-none-any.whl",
    "torch==2.4.0+cpu",
    "--constraint urllib3<2",
    '--constraint idna>=3 ; sys_platform == "linux"',
    python={"package_indexes": {"torch": "https://example.org/cpu"}, "requires_python": ">=3.11"},
    cutoff=Cutoff(newest="14 days", exceptions={"lab": "any", "numpy": "2026-06-01"}),
)


def test_all_that_a_pyproject_has_keys_for_is_read_again() -> None:
    text = write(FULL, "pyproject", name="lab", version="1.2", description='of "numbers"\n\U000e0001')
    again = read(text, "pyproject.toml")
    assert again.definition == FULL
    # The project is not called as one of its own packages.
    assert (again.name, again.version, again.description) == (
        "lab-environment",
        "1.2",
        'of "numbers"\n\U000e0001',
    )
    project = tomli.loads(text)["project"]
    assert [Requirement(line).name for line in project["dependencies"]] == ["numpy", "lab", "torch"]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (definition("numpy==1 --hash=sha256:" + "0" * 64), "--hash"),
        (definition("numpy", "--index-url https://main.example/simple"), "comes later"),
        (definition("--constraint a<2", "numpy"), "comes later"),
        (definition("https://example.org/lab-1.0-py3-none-any.whl"), "no name"),
        (definition("-e git+https://example.org/x.git#egg=x"), "--editable"),
        (definition("--trusted-host example.org", "numpy"), "--trusted-host"),
        (definition("numpy", python={"package_indexes": {"torch": "https://example.org/cpu"}}), "torch"),
        (definition("numpy", python={"conda": ("python=3.12",)}), "conda"),
        (definition("numpy", python={"channels": ("conda-forge",)}), "channels"),
        (definition("numpy", target=Target(cuda="12.4")), "target"),
        (definition("numpy", platform="linux/arm64"), "linux/arm64"),
        (Definition(dockerfile="FROM a:1\n"), "Dockerfile"),
        (definition(), "something else"),
    ],
)
def test_what_a_pyproject_has_no_key_for_is_not_left_out_silently(what: Definition, reason: str) -> None:
    with pytest.raises(CannotWrite, match=reason):
        write(what, "pyproject")


def test_other_formats_do_not_lose_the_cutoff_or_the_target() -> None:
    for format in ("requirements", "conda-env"):
        with pytest.raises(CannotWrite, match="limits uploads"):
            write(definition("numpy", cutoff=Cutoff(as_of="2026-06-01")), format)
    with pytest.raises(CannotWrite, match="target"):
        write(definition("numpy", target=Target(glibc="2.28")), "requirements")


NAMES = st.sampled_from(["numpy", "Pandas", "a.b-c_d", "environment", "x1"])
VERSIONS = st.sampled_from(
    ["", "==1.0", ">=1,<2", "~=1.4", "===1.0+x", " @ https://e.example/x-1-py3-none-any.whl", "[a,B]!=3"]
)
MARKERS = st.sampled_from(["", " ; python_version < '3.12'", ' ; extra == "é\\\\"'])
REQUIREMENTS = st.builds(lambda *parts: "".join(parts), NAMES, VERSIONS, MARKERS)
OPTIONS = st.sampled_from(
    ["--index-url https://i.example/s", "--extra-index-url https://j.example/s", "--pre", "--no-index", "--no-binary x",
     "--only-binary y", "--no-binary :all:", "--find-links https://k.example/f", "--constraint z<2", "-i https://i.example/s"]
)  # fmt: skip
LIMITS = st.sampled_from(["", "2026-06-01", "14 days", "2 weeks", "2026-06-01T10:00:00Z"])


@given(
    st.lists(OPTIONS, max_size=3),
    st.lists(REQUIREMENTS, max_size=4),
    st.dictionaries(
        st.sampled_from(["numpy", "pandas", "x1"]),
        st.sampled_from(["https://i.example/a", "https://i.example/b"]),
    ),
    LIMITS,
)
@settings(max_examples=150)
def test_what_is_written_is_read_with_the_same_hash(
    options: list[str], lines: list[str], indexes: dict[str, str], limit: str
) -> None:
    cutoff = Cutoff(newest=limit) if " " in limit else Cutoff(as_of=limit)
    what = definition(*options, *lines, python={"package_indexes": indexes}, cutoff=cutoff)
    try:
        text = write(what, "pyproject")
    except CannotWrite:
        return
    again = read(text, "pyproject.toml").definition
    assert again is not None
    assert again.hash == what.hash


@pytest.mark.slow
def test_uv_solves_what_was_written_with_its_indexes_constraints_and_dates(tmp_path: Path) -> None:
    main, own = tmp_path / "main", tmp_path / "own"
    for folder in (main, own):
        folder.mkdir()
    for version in ("1.0", "2.0", "3.0"):
        wheel(main, "alpha", version, ["beta"])
        wheel(main, "beta", version)
    wheel(own, "gamma", "1.0+own")
    wheel(main, "gamma", "9.0")
    _index(tmp_path / "index", own)
    _index(tmp_path / "simple", main)
    with served(tmp_path) as url:
        what = definition(
            f"--index-url {url}/simple",
            "alpha<3",
            'gamma ; sys_platform == "linux"',
            "--constraint beta<2",
            python={"package_indexes": {"gamma": f"{url}/index"}, "requires_python": ">=3.11"},
        )
        _lock_and_compile(tmp_path, what)


def _lock_and_compile(tmp_path: Path, what: Definition) -> None:
    """Have uv lock and compile the written project, and check the versions."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").write_text(write(what, "pyproject", name="lab"))
    done = run_uv(tmp_path / "project", "lock", offline=False)
    assert done.returncode == 0, done.stderr
    lock = tomli.loads((tmp_path / "project" / "uv.lock").read_text())
    versions = {package["name"]: package["version"] for package in lock["package"]}
    assert versions == {"lab": "0", "alpha": "2.0", "beta": "1.0", "gamma": "1.0+own"}
    done = run_uv(
        tmp_path / "project",
        "pip",
        "compile",
        "pyproject.toml",
        "--no-header",
        "--no-annotate",
        offline=False,
    )
    assert done.returncode == 0, done.stderr
    assert "alpha==2.0" in done.stdout.split()


def _index(folder: Path, wheels: Path) -> None:
    """Write a simple index of the wheels in a folder beside it."""
    links: dict[str, list[str]] = {}
    for path in sorted(wheels.glob("*.whl")):
        link = f'<a href="../../{wheels.name}/{quote(path.name)}">{path.name}</a>'
        links.setdefault(path.name.partition("-")[0], []).append(link)
    for name, of_name in links.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "index.html").write_text("<br>".join(of_name))
