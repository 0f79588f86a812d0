"""`.dockerignore` means here what it means to Docker."""

from __future__ import annotations

from typing import Any

import pytest
from docker.utils.build import PatternMatcher
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition.dockerignore import parse


@pytest.mark.parametrize(
    ("text", "out", "kept"),
    [
        ("*.log", ["a.log"], ["x/a.log", "a.logs"]),
        ("**/*.log", ["a.log", "x/y/a.log"], ["a.txt"]),
        ("data", ["data", "data/x", "data/x/y"], ["x/data"]),
        ("/data/", ["data/x"], ["database"]),
        ("data/**", ["data/x", "data/x/y"], ["data"]),
        ("**", ["a", "x/y"], ["Dockerfile", ".dockerignore"]),
        ("*\n!keep\n", ["a", "x/y"], ["keep", "keep/x"]),
        ("!a\n*", ["a"], []),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/b"]),
        ("# a\n\n../a\n", [], ["a", "# a"]),
        ("file?.t[xy]t", ["file1.txt", "file2.tyt"], ["file10.txt"]),
    ],
)
def test_patterns_leave_out_what_they_say(text: str, out: list[str], kept: list[str]) -> None:
    ignored = parse(text)
    assert [path for path in out if path not in ignored] == []
    assert [path for path in kept if path in ignored] == []


# Without `**`: there the library for Python leaves out less than Docker itself does.
PARTS = st.sampled_from(["a", "b", "ab", "*", "a*", "?"])
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "ba"]), min_size=1, max_size=4)


@given(st.lists(st.tuples(st.booleans(), st.lists(PARTS, min_size=1, max_size=4)), max_size=4), PATHS)
@settings(max_examples=300, deadline=None)
def test_patterns_mean_what_dockers_own_library_makes_of_them(
    patterns: list[tuple[bool, list[str]]], path: list[str]
) -> None:
    lines = [("!" if back else "") + "/".join(parts) for back, parts in patterns]
    ours = "/".join(path) in parse("\n".join(lines))
    matcher: Any = PatternMatcher(lines)
    assert ours == bool(matcher.matches("/".join(path)))


def test_a_pattern_of_many_stars_ends() -> None:
    assert "a" * 200 not in parse("*a" * 40 + "b")
    assert "/".join("a" * 100) not in parse("/".join(["**", "a"] * 40) + "/b")
