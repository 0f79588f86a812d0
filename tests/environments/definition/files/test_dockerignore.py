"""`.dockerignore` means here what it means to Docker."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition.files.dockerignore import find, parse


# As the docker command 28.2 sends them; `tests` of its own matcher have many of these too.
@pytest.mark.parametrize(
    ("text", "out", "kept"),
    [
        ("*.log", ["a.log"], ["x/a.log", "a.logs"]),
        ("**/*.log", ["a.log", "x/y/a.log"], ["a.txt"]),
        ("**/node_modules", ["node_modules/p", "x/node_modules/p/q"], ["node_modules.txt", "x/y"]),
        ("**/node_modules/", ["node_modules/p", "x/node_modules/p/q"], ["x/y"]),
        ("**/node_modules/**", ["node_modules/p", "x/y/node_modules/p/q"], ["node_modules", "x/y"]),
        ("**.log", ["a.log", "x/y/b.log"], ["a.logs"]),
        ("**node_modules", ["my_node_modules/p", "x/node_modules"], ["node_modules.txt"]),
        ("data", ["data", "data/x", "data/x/y"], ["x/data"]),
        ("/data/", ["data/x"], ["database"]),
        ("data/**", ["data/x", "data/x/y"], ["data"]),
        ("data**", ["data", "database", "data1/x/y"], ["x/data"]),
        ("**", ["a", "x/y"], ["Dockerfile", ".dockerignore"]),
        ("*\n!keep\n", ["a", "x/y"], ["keep", "keep/x"]),
        ("*\n!x/keep\n", ["a", "x/y"], ["x/keep"]),
        ("x\n!**/keep\nx/z/keep", ["x/y", "x/z/keep"], ["x/keep", "x/y/keep"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README.md"]),
        ("*.md\nREADME-secret.md\n!README*.md", ["a.md"], ["README.md", "README-secret.md"]),
        ("!a\n*", ["a"], []),
        ("a/b\n!a", ["a/b"], ["a/c"]),  # nothing was excluded yet when `!a` was tried for the folder
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/b"]),
        ("a**z", ["az", "a/z", "ab/c/z"], ["abz", "a/bz"]),
        ("a/**b", ["a/b", "a/x/y/b"], ["a/xb"]),
        ("# a\n\n../a\n", [], ["a", "# a"]),
        ("a/../b\n./c/.\n//d", ["b", "c", "d"], ["a"]),
        (" # a", ["# a"], ["a"]),  # only in the first column is it a comment
        ("\ufeffa\r\nb\r\n", ["a", "b"], []),
        ("file?.t[xy]t", ["file1.txt", "file2.tyt"], ["file10.txt"]),
        ("[^a-c]x", ["dx"], ["ax"]),
        ("[!a]", ["!", "a"], ["b"]),
        ("\\*\n\\!x\na\\[1]", ["*", "!x", "a[1]"], ["a", "x", "a1"]),
        ("[z-a]", ["[z-a]"], ["z"]),
    ],
)
def test_patterns_leave_out_what_they_say(text: str, out: list[str], kept: list[str]) -> None:
    ignored = parse(text)
    assert [path for path in out if path not in ignored] == []
    assert [path for path in kept if path in ignored] == []


PARTS = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "?", "*b", "[ab]", "**b", "a**"])
LINES = st.lists(st.lists(PARTS, min_size=1, max_size=4).map("/".join), min_size=1, max_size=4)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "ba"]), min_size=1, max_size=4).map("/".join)


@given(LINES, PATHS)
@settings(max_examples=300)
def test_a_file_in_an_excluded_folder_is_excluded(lines: list[str], folder: str) -> None:
    ignored = parse("\n".join(lines))
    assert not ignored.excludes(folder) or ignored.excludes(f"{folder}/x")


@given(LINES, PATHS)
@settings(max_examples=300)
def test_an_exception_of_everything_at_the_end_takes_everything_back(lines: list[str], path: str) -> None:
    assert not parse("\n".join([*lines, "!**"])).excludes(path)


def test_a_dockerfiles_own_ignore_file_counts_before_that_of_the_context() -> None:
    texts = {".dockerignore": "a", "docker/Dockerfile.dockerignore": "b\ndocker"}
    of_its_own = find(texts.get, "docker/Dockerfile")
    assert [path for path in ("a", "b", *texts, "docker/Dockerfile", "docker/x") if path in of_its_own] == [
        "b",
        "docker/x",
    ]
    assert "a" in find(texts.get, "Dockerfile")
    nothing: dict[str, str] = {}
    assert "a" not in find(nothing.get, "Dockerfile")


def test_docker_reads_its_own_files_and_copies_them_only_where_they_are_not_excluded() -> None:
    ignored = parse("*")
    assert "Dockerfile" not in ignored
    assert ignored.excludes("Dockerfile")
    assert ignored.excludes(".dockerignore")


@pytest.mark.parametrize("line", ["*a" * 40 + "b", "**/a/" * 100 + "b", "a**" * 300 + "b", "*a" * 20_000])
def test_a_hostile_pattern_ends(line: str) -> None:
    ignored = parse("\n".join([line] * 600))
    assert "a" * 200 not in ignored
    assert "/".join("a" * 100) not in ignored
