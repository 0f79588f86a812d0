"""TOML: what it reads, where things are, and what it refuses."""

from __future__ import annotations

import json
import time

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from environments.definition.syntax.toml import header_lines, parse
from environments.definition.syntax.tree import Unreadable

TEXT = '''# a comment
top = "x"

[project]
name = "demo"
dependencies = [
  "numpy>=1",  # [a bracket
  # "left out"
  "pandas[excel]",
]
quoted."a b" = { c = 1,
  d = 2,
}

[[package]]
name = "one"
[package.source]
registry = "x"

[[package]]
name = "two"
dependencies = [
    { name = "three" },
]
text = """
[not.a.header]
key = 1
"""
last = 1
'''


def test_keys_tables_and_items_know_their_lines() -> None:
    document = parse(TEXT)
    assert document.line("top") == 2
    assert document.line("project") == 4
    assert document.line("project", "name") == 5
    assert document.line("project", "dependencies", 0) == 7
    assert document.line("project", "dependencies", 1) == 9
    assert document.line("project", "quoted", "a b", "d") == 11
    assert document.line("package", 0, "source", "registry") == 18
    assert document.line("package", 1) == 20
    assert document.line("package", 1, "dependencies", 0) == 23
    assert document.line("package", 1, "last") == 29
    assert document.line("not") == 1
    assert list(header_lines(TEXT, "package")) == [15, 20]


def test_toml_1_1_is_read() -> None:
    assert parse("a = { b = 1,\n  c = 2,\n}\n").values == {"a": {"b": 1, "c": 2}}


def test_windows_line_ends_count_as_one_line() -> None:
    document = parse("a = 1\r\nb = [\r\n  1,\r\n  2,\r\n]\r\nc = 3\r\n")
    assert (document.line("b", 1), document.line("c")) == (4, 6)


def test_what_is_no_toml_is_refused_with_its_line() -> None:
    with pytest.raises(Unreadable) as refused:
        parse("a = 1\nb =\n")
    assert refused.value.line == 2


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        "a = " + "[\n" * 50_000,
        "a = " + "{ a =" * 99,
        "a" + ".a" * 100_000 + " = 1",
        "[" + "a." * 100_000 + "a]",
        "'a'" + ".'a'" * 100_000 + " = 1",
    ],
    ids=["line", "lines", "tables", "key", "header", "quoted"],
)
def test_depth_without_end_is_refused_at_once(text: str) -> None:
    started = time.process_time()
    with pytest.raises(Unreadable):
        parse(text)
    assert time.process_time() - started < 2


_NAMES = st.text("ab-_. \"'\\é#[]{}=,", min_size=1, max_size=6)
_VALUES = st.recursive(
    st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=2),
    max_leaves=6,
)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return "[" + ",\n".join(map(_written, value)) + "\n]"
    assert isinstance(value, dict)
    return "{" + ", ".join(f"{_quoted(name)} = {_written(inner)}" for name, inner in value.items()) + "}"


@given(st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=5))
def test_every_key_is_on_the_line_that_it_was_written_on(values: dict[str, object]) -> None:
    text, expected = "", {}
    for name, value in values.items():
        expected[name] = text.count("\n") + 1
        text += f"{_quoted(name)} = {_written(value)}\n"
    document = parse(text)
    assert document.values == tomli.loads(text) == values
    assert {name: document.line(name) for name in values} == expected
