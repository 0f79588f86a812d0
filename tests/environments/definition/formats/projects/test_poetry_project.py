"""A pyproject.toml of poetry 1 or 2 is read by its main group; extras and groups are offered."""

from __future__ import annotations

from pathlib import Path

import pytest
from poetry.core.factory import Factory

from environments.definition import read
from tests.environments.definition.formats.projects.files import faults, lines, reading_of

POETRY_1 = """\
[tool.poetry]
name = "lab"
version = "0.1.0"
description = ""
authors = []

[tool.poetry.dependencies]
python = "^3.9"
Flask = "^3.0"
numpy = [
  {version = "<2.1", python = "<3.10"},
  {version = "^2.2", python = ">=3.10"},
]
uvicorn = {version = "~0.30", extras = ["standard"], source = "own"}
colorama = {version = "*", platform = "win32"}
triton = {version = "*", markers = "sys_platform == 'linux' and platform_machine == 'x86_64'"}
tools = {path = "../tools", develop = true}
mine = {git = "https://example.org/mine.git", tag = "v1", subdirectory = "python"}
wheel-of-mine = {url = "https://example.org/wheel_of_mine-1-py3-none-any.whl"}
rich = {version = ">=13", optional = true}

[tool.poetry.extras]
tables = ["rich"]

[tool.poetry.group.docs]
optional = true
[tool.poetry.group.docs.dependencies]
mkdocs = "*"

[tool.poetry.dev-dependencies]
pytest = {version = "^8", allow-prereleases = true}

[[tool.poetry.source]]
name = "own"
url = "https://own.example.org/simple/"
priority = "explicit"
"""


def test_the_main_group_is_read_and_the_rest_is_offered(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, {"pyproject.toml": POETRY_1}, "pyproject.toml")
    assert reading.format == "pyproject-poetry"
    assert lines(reading) == [
        "Flask>=3.0,<4.0",
        'numpy<2.1 ; python_version < "3.10"',
        'numpy>=2.2,<3.0 ; python_version >= "3.10"',
        "uvicorn[standard]>=0.30,<0.31",
        "triton ; sys_platform == 'linux' and platform_machine == 'x86_64'",
        "mine @ git+https://example.org/mine.git@v1#subdirectory=python",
        "wheel-of-mine @ https://example.org/wheel_of_mine-1-py3-none-any.whl",
    ]
    assert reading.definition is not None
    assert reading.definition.python.package_indexes == {"uvicorn": "https://own.example.org/simple"}
    assert reading.definition.python.requires_python == ">=3.9,<4.0"
    assert (reading.offers.extras, reading.offers.groups) == (("tables",), ("docs", "dev"))
    left_out = {finding.code: finding.line for finding in reading.findings if finding.line}
    assert (left_out["project-left-out"], left_out["other-platform"]) == (17, 15)


def test_extras_and_groups_are_added_by_name(tmp_path: Path) -> None:
    reading = reading_of(
        tmp_path, {"pyproject.toml": POETRY_1}, "pyproject.toml", extras=("Tables",), groups=("dev", "docs")
    )
    assert lines(reading)[-3:] == ["rich>=13", "mkdocs", "pytest>=8,<9,>=0.dev0"]
    assert reading.definition is not None
    assert reading.definition.selection.extras == ("tables",)


def test_an_unknown_extra_or_group_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    reading = reading_of(
        tmp_path, {"pyproject.toml": POETRY_1}, "pyproject.toml", extras=("plots",), groups=("x",)
    )
    assert [error.code for error in reading.errors] == ["selection-unknown"] * 2
    assert "tables" in reading.errors[0].help
    assert "docs and dev" in reading.errors[1].help


POETRY_2 = """\
[project]
name = "lab"
version = "1"
requires-python = ">=3.10,<4"
dependencies = ["flask>=3,<4", "torch>=2", "colorama; sys_platform == 'win32'", "own @ file:///home/me/own"]

[project.optional-dependencies]
tables = ["rich>=13"]
all = ["lab[tables]", "httpx"]

[dependency-groups]
dev = ["pytest", {include-group = "docs"}]
docs = ["mkdocs"]

[tool.poetry]
requires-poetry = ">=2.0"
package-mode = false

[tool.poetry.dependencies]
torch = {version = "<2.9", source = "cpu"}

[tool.poetry.group.lint.dependencies]
ruff = "^0.9"

[[tool.poetry.source]]
name = "cpu"
url = "https://download.example.org/whl/cpu"
priority = "explicit"

[[tool.poetry.source]]
name = "inside"
url = "https://inside.example.org/simple"
priority = "primary"

[[tool.poetry.source]]
name = "more"
url = "https://more.example.org/simple"
priority = "supplemental"
"""


def test_poetry_2_adds_to_the_standard_what_its_own_table_says(tmp_path: Path) -> None:
    reading = reading_of(
        tmp_path, {"pyproject.toml": POETRY_2}, "pyproject.toml", extras=("all",), groups=("dev", "lint")
    )
    assert lines(reading) == [
        "--index-url https://inside.example.org/simple",
        "--extra-index-url https://more.example.org/simple",
        "flask<4,>=3",
        "torch>=2,<2.9",
        "rich>=13",
        "httpx",
        "pytest",
        "mkdocs",
        "ruff>=0.9,<0.10",
    ]
    assert reading.definition is not None
    assert reading.definition.python.package_indexes == {"torch": "https://download.example.org/whl/cpu"}


def test_the_main_group_is_what_poetry_core_reads(tmp_path: Path) -> None:
    for text in (POETRY_1, POETRY_2):
        reading = reading_of(tmp_path, {"pyproject.toml": text}, "pyproject.toml")
        (tmp_path / "tools").mkdir(exist_ok=True)
        package = Factory().create_poetry(tmp_path).package
        required = {each.name for each in package.requires if not each.is_optional()}
        read_names = {
            line.split("[")[0].split("<")[0].split(">")[0].split(" ")[0].lower() for line in lines(reading)
        }
        assert read_names - {"--index-url", "--extra-index-url"} == required - {"colorama", "tools", "own"}


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ('"^^1"', "operator"),
        ("1", "neither"),
        ('{version = "one"}', "not a constraint"),
        ('{version = "1", source = "nowhere"}', "no package index"),
        ('{version = "1", markers = "sys_platform is linux"}', "not a marker"),
        ('{git = "https://example.org/a b"}', "blank"),
        ('"' + "1 || " * 300_000 + '1"', "characters"),
    ],
)
def test_an_entry_that_poetry_cannot_read_is_named_with_its_line(
    tmp_path: Path, entry: str, why: str
) -> None:
    text = f"[tool.poetry]\nname = 'lab'\n[tool.poetry.dependencies]\npython = '^3.9'\nflask = {entry}\n"
    reading = read(text[: 1 << 20] if len(text) < 1 << 20 else text, "pyproject.toml")
    if len(text) >= 1 << 20:
        assert [error.code for error in reading.errors] == ["too-large"]
        return
    assert [(error.code, error.line) for error in reading.errors] == [("bad-dependency", 5)]
    assert why in reading.errors[0].message


def test_a_constraint_that_pip_cannot_say_is_narrowed_with_a_warning() -> None:
    reading = read("[tool.poetry.dependencies]\nflask = '<1.5 || >=2.0'\n", "pyproject.toml")
    assert lines(reading) == ["flask>=2.0"]
    assert faults(reading) == [("constraint-narrowed", 2)]


@pytest.mark.parametrize(
    "dependencies",
    ["", "python = '^3.9'\n", "lab-core = {path = '../core'}\n", "rich = {version = '*', optional = true}\n"],
)
def test_a_project_that_requests_nothing_but_its_own_folders_is_refused(dependencies: str) -> None:
    reading = read(
        f"[tool.poetry]\nname = 'lab'\n[tool.poetry.dependencies]\n{dependencies}", "pyproject.toml"
    )
    assert [error.code for error in reading.errors] == ["project-empty"]


def test_groups_that_include_one_another_are_refused_soon() -> None:
    text = "[tool.poetry.dependencies]\nflask = '*'\n[tool.poetry.group.a]\ninclude-groups = ['b']\n"
    text += "[tool.poetry.group.b]\ninclude-groups = ['a']\n"
    from environments.definition.model import Selection

    reading = read(text, "pyproject.toml", selection=Selection(groups=("a",)))
    assert [error.code for error in reading.errors] == ["bad-dependency"]


def test_a_password_in_an_index_goes_no_further() -> None:
    text = "[tool.poetry.dependencies]\nflask = {version = '*', source = 'own'}\n[[tool.poetry.source]]\n"
    text += "name = 'own'\nurl = 'https://me:hunter22@own.example.org/simple'\npriority = 'explicit'\n"
    reading = read(text, "pyproject.toml")
    assert "secret-in-definition" in [error.code for error in reading.errors]
    assert "hunter22" not in str(reading)


def test_the_lock_beside_it_is_named(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, {"pyproject.toml": POETRY_1, "poetry.lock": ""}, "pyproject.toml")
    assert "lock-unread" in [finding.code for finding in reading.findings]
