"""setup.cfg of setuptools: the requirements and extras that it lists itself."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator

from environments.definition.findings.result import Draft
from environments.definition.formats.projects.pep621.manifest import (
    Manifest,
    resolve_python,
)
from environments.definition.formats.projects.pep621.pyproject import report_lock
from environments.definition.formats.projects.pep621.requests import requests
from environments.definition.formats.projects.pep621.sources import marked
from environments.definition.formats.selection import note_parts, selected
from environments.definition.formats.source import Source
from environments.definition.syntax.text import Placed

FORMAT = "setup-cfg"
FILE_NAME = "setup.cfg"
_OPTIONS, _EXTRAS = "options", "options.extras_require"
_FILE = "file:"
_MOST_COMMENTS = 50
_KEY = re.compile(r"([^\s:=#;\[][^:=\n]{0,200}?)[ \t]{0,200}[:=]")


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a setup.cfg."""
    return filename.rpartition("/")[2].lower() == FILE_NAME


def read(draft: Draft, text: str, source: Source) -> None:
    """Read what the project requests, with the extras that are selected."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or 1
        reason = str(error).partition("\n")[0][:200]
        raise draft.refuse(
            "wrong-shape", Placed("", line), what=FILE_NAME, expected="an INI file", found=reason
        ) from None
    lines = {(section, key): number for section, key, number in _keys(text)}
    manifest = Manifest(name=parser.get("metadata", "name", fallback="").strip())
    draft.name = manifest.name
    python = parser.get(_OPTIONS, "python_requires", fallback="").strip()
    manifest.requires_python = Placed(python, lines.get((_OPTIONS, "python_requires")), None, draft.file)
    at = Placed("", lines.get((_OPTIONS, "install_requires"), 1), None, draft.file)
    listed = parser.get(_OPTIONS, "install_requires", fallback="")
    if listed.strip().startswith(_FILE):
        help = f"Give {listed.strip().removeprefix(_FILE).strip()[:200]}, which holds them."
        raise draft.refuse("project-dynamic", at, what=FILE_NAME, help=help)
    manifest.dependencies = _listed(draft, listed, at)
    extras = parser[_EXTRAS] if parser.has_section(_EXTRAS) else {}
    for extra, value in extras.items():
        start = Placed("", lines.get((_EXTRAS, extra)), None, draft.file)
        manifest.extras[extra] = [] if value.strip().startswith(_FILE) else _listed(draft, value, start)
    selected(draft, manifest.offers)
    if draft.refused:
        return
    resolve_python(draft, manifest)
    report_lock(draft, source, at)
    requested = requests(draft, manifest, draft.selection)
    draft.pip += [request.line.moved(marked(request.line, request.conditions)) for request in requested]
    if not draft.pip:
        raise draft.refuse("project-empty", at, what=manifest.name or FILE_NAME)
    note_parts(draft, manifest.name or "the project", at)


def _listed(draft: Draft, value: str, at: Placed) -> list[Placed]:
    """Return the requirements of a value: one on each line, where the parser left the comments out."""
    lines, number = [], (at.line or 1) - 1
    for line in value.split("\n"):
        bare = _bare(line)
        if not bare:
            continue
        ahead = range(number, min(number + _MOST_COMMENTS, len(draft.lines)))
        number = next((row for row in ahead if _bare(draft.lines[row]).endswith(bare)), number)
        lines.append(Placed(bare, number + 1, None, at.file))
    return lines


def _bare(line: str) -> str:
    return " ".join(line.partition(" #")[0].split())


def _keys(text: str) -> Iterator[tuple[str, str, int]]:
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("["):
            section = line.partition("]")[0].removeprefix("[").strip()
        elif match := _KEY.match(line):
            yield section, match[1].strip().lower(), number
