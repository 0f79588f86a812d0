"""The table of formats in docs/formats.md, and the editor's colours of each format."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from environments.definition.formats import context
from environments.definition.formats.azure import curated
from environments.definition.reading.recognise import _TEXT_FORMATS, TREE_FORMATS
from environments.definition.writing.write import FORMATS

ROOT = Path(__file__).parents[4]
READ = {known.name for known in (*TREE_FORMATS, *_TEXT_FORMATS)} | {context.FORMAT, curated.FORMAT}
# Lines without a syntax of their own are coloured as requirements.
LINES = {"requirements", "conda-specs", "conda-explicit", "package-list"}


def rows() -> Iterator[tuple[str, list[str]]]:
    """The names of the table's formats, with the other cells of their rows."""
    table = (ROOT / "docs/formats.md").read_text().partition("\n## ")[0]
    for line in re.findall(r"^\| (`.+) \|$", table, re.MULTILINE):
        first, *others = line.split(" | ")
        for name in re.findall(r"`(.+?)`", first):
            yield name, others


def test_the_table_lists_every_format_that_is_read_or_written() -> None:
    read = {name for name, cells in rows() if cells[0] != "–"}
    written = {name for name, cells in rows() if cells[1] != "–"}

    assert read == READ
    assert written == set(FORMATS)


def test_each_row_says_whether_the_format_is_exact_and_what_checks_it() -> None:
    for name, cells in rows():
        assert len(cells) == 4, name
        assert cells[2] in ("yes", "no", "versions", "with hashes"), name
        assert cells[3], name


def test_the_versions_of_the_tools_are_those_that_the_tests_run_with() -> None:
    locked = {
        package["name"]: package.get("version")
        for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    }
    for name, cells in rows():
        for tool, version in re.findall(r"([a-z][\w-]*) (\d[\w.]*)", cells[3]):
            assert locked.get(tool, version) == version, f"{name}: {tool}"


def test_the_editor_colours_every_format_that_is_read() -> None:
    text = (ROOT / "static/js/languages.js").read_text().partition("ofFormat = {")[2].partition("};")[0]
    coloured = {name.strip('"') for name in re.findall(r"^\s+(\S+): ", text, re.MULTILINE)}

    assert coloured == READ - LINES
