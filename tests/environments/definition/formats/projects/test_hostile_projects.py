"""Projects and locks that mean harm are read or refused soon, and never crash a reader."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import read
from environments.definition.files.limits import Limits
from environments.definition.model import Selection
from tests.environments.definition.formats.projects.files import FILES, lines

WIDE = Limits(definition=8 << 20, lines=1_000_000)
END = '[metadata]\nlock-version = "1.1"\npython-versions = "^3.8"\ncontent-hash = "x"\n'
PDM = '[metadata]\nlock_version = "4.5.0"\nstrategy = []\ncontent_hash = "x"\n'


def package(name: str, needs: str = "", version: str = "1", more: str = "") -> str:
    needs = f"[package.dependencies]\n{needs}" if needs else ""
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\npython-versions = "*"\noptional = false\n{more}{FILES}{needs}\n'


def ring(count: int) -> str:
    return "".join(package(f"p{n}", f'p{(n + 1) % count} = "*"\n') for n in range(count)) + END


def dense(count: int) -> str:
    needs = "".join(f'p{n} = "*"\n' for n in range(count))
    return "".join(package(f"p{n}", needs) for n in range(count)) + END


def test_a_loop_of_dependencies_is_walked_once() -> None:
    assert len(lines(read(ring(2_000), "poetry.lock", limits=WIDE))) == 2_000


def test_a_hundred_thousand_dependencies_are_walked() -> None:
    assert len(lines(read(dense(316), "poetry.lock", limits=WIDE))) == 316


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("".join(package("a", version=f"1.{n}") for n in range(200)) + END, "poetry.lock"),
        ("".join(package(f"a{n}", f'b = {{version = "*", markers = "python_version > \\"3.{n}.1\\""}}\n') for n in range(6_000)) + END, "poetry.lock"),
        ("".join(package("b", version=f"1.{n}") for n in range(60)) + "".join(package(f"a{n}", f'b = "!=0.{n}"\n') for n in range(1_000)) + END, "poetry.lock"),
        (package("a", 'b = {version = "*", markers = "no marker"}\n') + package("b") + END, "poetry.lock"),
        (PDM + "".join(package("a", version=f"1.{n}") for n in range(200)), "pdm.lock"),
        ('{"_meta": {"pipfile-spec": 6}, "default": {"a": {"version": "==1", "markers": "no marker"}}}', "Pipfile.lock"),
    ],
)  # fmt: skip
def test_what_no_tool_writes_is_refused(text: str, name: str) -> None:
    assert [error.code for error in read(text, name, limits=WIDE).errors] == ["lock-unreadable"]


@pytest.mark.parametrize(
    "constraint",
    ["1 || " * 50_000 + "1", "^" * 100_000, ">=1," * 50_000, " " * 100_000, "(" * 100_000, "||" * 100_000],
)
@pytest.mark.parametrize("head", ["[tool.poetry.dependencies]\na = ", "[packages]\na = "])
def test_a_long_constraint_is_refused(head: str, constraint: str) -> None:
    name = "Pipfile" if "packages" in head else "pyproject.toml"
    assert not read(f'{head}"{constraint}"\n', name, limits=WIDE).accepted or not constraint.strip()


def test_the_versions_of_a_fork_are_chosen_together() -> None:
    # a allows both versions of b, c only the older: the newest that all allow is taken.
    text = package("a", 'b = "*"\nc = "*"\n') + package("b", version="1") + package("b", version="2")
    text += package("c", 'b = "<2"\n') + END
    assert lines(read(text, "poetry.lock")) == ["a==1", "b==1", "c==1"]


KEYS = st.sampled_from(
    """name version dependencies optional groups markers marker extras files file hash source type url reference path git
    python markers group dev metadata content-hash lock-version targets strategy default develop index priority
    resolved_reference category python-versions packages dev-packages requires include-groups""".split()
)
VALUES = st.recursive(
    st.one_of(
        st.text(max_size=8),
        st.integers(),
        st.booleans(),
        st.sampled_from(["*", "^1", "==1", "a", "python_version < '3'"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(max(-(1 << 62), min(value, 1 << 62)))
    if isinstance(value, str):
        return (
            '"' + "".join(c if (c.isalnum() and c.isascii()) or c in " .^*=<'" else "_" for c in value) + '"'
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    assert isinstance(value, dict)
    return "{" + ", ".join(f'"{key}" = {toml(each)}' for key, each in value.items()) + "}"


@given(
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.lists(st.dictionaries(KEYS, VALUES, max_size=6), max_size=3),
    st.booleans(),
)
@settings(max_examples=60)
def test_any_values_are_read_or_refused(
    table: dict[str, object], packages: list[dict[str, object]], chosen: bool
) -> None:
    selection = Selection(extras=("a",), groups=("dev",)) if chosen else Selection()
    of = "".join(f'"{key}" = {toml(value)}\n' for key, value in table.items())
    listed = "".join(
        "[[package]]\n" + "".join(f'"{key}" = {toml(value)}\n' for key, value in each.items())
        for each in packages
    )
    for name, text in (
        ("pyproject.toml", f"[tool.poetry]\n{of}"),
        ("pyproject.toml", f"[tool.poetry.dependencies]\n{of}[project]\n{of}[dependency-groups]\n{of}"),
        ("Pipfile", of),
        ("Pipfile", f"[packages]\n{of}[[source]]\n{of}"),
        ("poetry.lock", f"{listed}[metadata]\n{of}"),
        ("pdm.lock", f"[metadata]\n{of}{listed}"),
    ):
        reading = read(text, name, selection=selection)
        assert reading.accepted == (not reading.errors)
