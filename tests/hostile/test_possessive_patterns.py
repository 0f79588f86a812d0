"""No pattern repeats a group possessively that is not atomic: Python before 3.11.5, as in Debian 12, misreads it.

https://github.com/python/cpython/issues/106052
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.patterns import Pattern, patterns

# Imported by name: whether a type checker knows these modules depends on what it has cached.
_constants: Any = import_module("re._constants")
_parser: Any = import_module("re._parser")

ROOT = Path(__file__).parents[2]
_WITHOUT_CHOICE = {
    _constants.LITERAL,
    _constants.NOT_LITERAL,
    _constants.ANY,
    _constants.IN,
    _constants.ATOMIC_GROUP,
}


def misread(tree: Iterable[Any]) -> Iterator[Any]:
    """Yield the bodies of possessive repeats in which a match could be tried in several ways."""
    for op, argument in tree:
        if op is _constants.POSSESSIVE_REPEAT:
            body = list(argument[2])
            if len(body) != 1 or body[0][0] not in _WITHOUT_CHOICE:
                yield body
        for part in argument if isinstance(argument, (list, tuple)) else [argument]:
            for inner in part if isinstance(part, list) else [part]:
                if isinstance(inner, _parser.SubPattern):
                    yield from misread(inner)


def tree_of(pattern: Pattern) -> Iterable[Any]:
    written, flags = pattern.compiled.pattern, pattern.compiled.flags
    parsed: Iterable[Any] = _parser.parse(
        written, flags & ~re.UNICODE if isinstance(written, bytes) else flags
    )
    return parsed


@pytest.mark.slow  # imports every module
def test_no_pattern_of_the_studio_is_misread_by_an_older_python() -> None:
    known = patterns(ROOT)
    assert len(known) > 100
    assert [
        f"{each.where}: {each.compiled.pattern!r}" for each in known if list(misread(tree_of(each)))
    ] == []


@pytest.mark.parametrize("written", [r"(?:ab|c)*+", r"x(?:(?:y\s+)++z)", r"(?=(?:ab)?+)"])
def test_a_group_that_is_not_atomic_is_noticed(written: str) -> None:
    assert list(misread(_parser.parse(written)))


@pytest.mark.parametrize("written", [r"(?>a|b)*+", r"[ab]*+c++", r"(?:a|b)*"])
def test_an_atomic_group_and_a_character_are_not(written: str) -> None:
    assert not list(misread(_parser.parse(written, re.DOTALL)))
