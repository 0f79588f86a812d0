"""A project may offer thousands of groups and extras that include each other, and somebody may request all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from environments.definition import Reading, read_path
from environments.definition.model import Selection
from tests.growth import LINEAR, growth

Files = dict[str, str]

NAMED = "[project]\nname = 'a'\nversion = '1'\ndependencies = []\n"
NAMED_OF_POETRY = "[tool.poetry]\nname = 'a'\nversion = '1'\n[tool.poetry.dependencies]\npython = '^3.11'\n"
POETRY_LOCK = '[metadata]\nlock-version = "2.1"\npython-versions = "^3.11"\ncontent-hash = "0"\n'
PDM_LOCK = '[metadata]\nstrategy = ["inherit_metadata"]\nlock_version = "4.5.0"\n'
PIP_LOCK = '{"_meta": {"pipfile-spec": 6}, "default": {}}'
EXTRAS = "[project.optional-dependencies]\n"
GROUPS = "[dependency-groups]\n"


def tables(head: str, count: int, row: str) -> str:
    """Return a table, or several, with a row for each number."""
    return head + "".join(row.replace("%", str(number)) for number in range(count))


def entries(count: int) -> str:
    return tables(
        "",
        count,
        '[[package]]\nname = "p%"\nversion = "1"\noptional = false\npython-versions = "*"\ngroups = ["g%"]\nfiles = []\n',
    )


def entry_of_all(count: int) -> str:
    groups = ", ".join(f'"g{number}"' for number in range(count))
    markers = tables("[package.markers]\n", count, "g% = \"os_name == 'posix'\"\n")
    head = '[[package]]\nname = "p"\nversion = "1"\noptional = false\npython-versions = "*"\n'
    return f"{head}groups = [{groups}]\nfiles = []\n{markers}"


MANY: dict[str, Callable[[int], Files]] = {
    "groups of poetry": lambda count: {
        "pyproject.toml": tables(NAMED_OF_POETRY, count, "[tool.poetry.group.g%.dependencies]\np = '*'\n")
    },
    "extras of poetry": lambda count: {
        "pyproject.toml": tables(NAMED_OF_POETRY, count, "p% = {version = '*', optional = true}\n")
        + tables("[tool.poetry.extras]\n", count, "e% = ['p%']\n")
    },
    "standard extras of poetry": lambda count: {
        "pyproject.toml": tables(NAMED + EXTRAS, count, "e% = ['p%']\n")
        + tables("[tool.poetry.dependencies]\n", count, "p% = '*'\n")
    },
    "a poetry.lock": lambda count: {"poetry.lock": entries(count) + POETRY_LOCK},
    "a package of a poetry.lock": lambda count: {"poetry.lock": entry_of_all(count) + POETRY_LOCK},
    "a pdm.lock": lambda count: {
        "pdm.lock": PDM_LOCK + entries(count),
        "pyproject.toml": tables(NAMED + GROUPS, count, "g% = ['p%']\n"),
    },
    "groups of pdm": lambda count: {
        "pdm.lock": PDM_LOCK,
        "pyproject.toml": tables(NAMED + "[tool.pdm.dev-dependencies]\n", count, "g% = ['p']\n"),
    },
    "extras of pdm": lambda count: {
        "pdm.lock": PDM_LOCK,
        "pyproject.toml": tables(NAMED + EXTRAS, count, "e% = ['p']\n"),
    },
    "standard groups": lambda count: {"pyproject.toml": tables(NAMED + GROUPS, count, "g% = ['p']\n")},
    "standard extras": lambda count: {"pyproject.toml": tables(NAMED + EXTRAS, count, "e% = ['p']\n")},
    "categories of a Pipfile": lambda count: {
        "Pipfile.lock": PIP_LOCK,
        "Pipfile": tables("[packages]\n", count, "[g%]\np = '*'\n"),
    },
    "groups that are not there": lambda count: {
        "pyproject.toml": tables(NAMED + GROUPS, count, "h% = ['p']\n")
    },
}


def read_with(folder: Path, files: Files, selection: Selection) -> Reading:
    """Read the first of some files, with the others beside it."""
    for name, text in files.items():
        (folder / name).write_text(text)
    return read_path(folder / next(iter(files)), selection=selection)


@pytest.mark.slow  # measured at two lengths
@pytest.mark.parametrize("name", MANY)
def test_choosing_all_parts_takes_linear_time(name: str, tmp_path: Path) -> None:
    def choose_all(count: int) -> None:
        numbers = range(count)
        selection = Selection(extras=tuple(f"e{n}" for n in numbers), groups=tuple(f"g{n}" for n in numbers))
        reading = read_with(tmp_path, MANY[name](count), selection)
        assert "too-large" not in [error.code for error in reading.errors]  # which would take no time

    assert growth(choose_all, most=4_000) < LINEAR


FOUR = "{}, {}, {}, {}"
INCLUDING = {
    "groups": GROUPS
    + "".join(f"g{n} = [{FOUR}]\n".replace("{}", f'{{include-group = "g{n + 1}"}}') for n in range(18))
    + "g18 = []\n",
    "extras": EXTRAS + "".join(f"g{n} = [{FOUR}]\n".replace("{}", f'"a[g{n + 1}]"') for n in range(19)),
    "poetry": "".join(
        f"[tool.poetry.group.g{n}]\ninclude-groups = [{FOUR}]\n".replace("{}", f'"g{n + 1}"')
        for n in range(19)
    ),
}


PACKAGE_2_000_TIMES = NAMED.replace("[]", "[" + "'p', " * 2_000 + "]")
A_HUNDRED_OF_POETRY = "[tool.poetry.dependencies]\np = [\n" + "{version = '*'},\n" * 100 + "]\n"


@pytest.mark.parametrize(
    "files",
    [
        {"pdm.lock": PDM_LOCK, "pyproject.toml": NAMED + INCLUDING["groups"]},
        {"pdm.lock": PDM_LOCK, "pyproject.toml": NAMED + INCLUDING["extras"]},
        {"pyproject.toml": f"{NAMED}[tool.poetry]\n{INCLUDING['groups']}"},
        {"pyproject.toml": f"{NAMED}[tool.poetry]\nrequires-poetry = '>=2'\n{INCLUDING['extras']}"},
        {"pyproject.toml": NAMED_OF_POETRY + INCLUDING["poetry"]},
        {"poetry.lock": POETRY_LOCK, "pyproject.toml": NAMED_OF_POETRY + INCLUDING["poetry"]},
        {"pyproject.toml": PACKAGE_2_000_TIMES + A_HUNDRED_OF_POETRY},
    ],
    ids=[
        "groups of pdm",
        "extras of pdm",
        "groups",
        "extras",
        "groups of poetry",
        "poetry.lock",
        "entries of poetry for a package",
    ],
)
def test_what_includes_the_same_without_end_is_refused(files: Files, tmp_path: Path) -> None:
    reading = read_with(tmp_path, files, Selection(extras=("g0",), groups=("g0",)))

    assert "too-large" in [error.code for error in reading.errors]
