"""The table of formats in docs/formats.md, and the editor's colours of each format."""

from __future__ import annotations

import re
from pathlib import Path

from environments.definition.formats import context
from environments.definition.formats.azure import curated
from environments.definition.reading.recognise import _TEXT_FORMATS, TREE_FORMATS
from environments.definition.writing.write import FORMATS

ROOT = Path(__file__).parents[4]
READ = {known.name for known in (*TREE_FORMATS, *_TEXT_FORMATS)} | {context.FORMAT, curated.FORMAT}
# Lines without a syntax of their own are coloured as requirements.
LINES = {"requirements", "conda-specs", "conda-explicit", "package-list"}


def test_the_table_lists_every_format_that_is_read_or_written() -> None:
    table = (ROOT / "docs/formats.md").read_text().partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| (.+?) \| (.+) \|$", table, re.MULTILINE)
    names = {name: (read, written) for cell, read, written in rows for name in re.findall(r"`(.+?)`", cell)}

    assert {name for name, (read, _) in names.items() if read != "–"} == READ  # noqa: RUF001
    assert {name for name, (_, written) in names.items() if written != "–"} == set(FORMATS)  # noqa: RUF001


def test_the_editor_colours_every_format_that_is_read() -> None:
    text = (ROOT / "static/js/languages.js").read_text().partition("ofFormat = {")[2].partition("};")[0]
    coloured = {name.strip('"') for name in re.findall(r"^\s+(\S+): ", text, re.MULTILINE)}

    assert coloured == READ - LINES
