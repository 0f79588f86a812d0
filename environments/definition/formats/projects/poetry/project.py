"""A pyproject.toml of poetry: what the project requests, without its lock."""

from __future__ import annotations

import re

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.beside import Beside
from environments.definition.formats.projects.poetry.indexes import indexes
from environments.definition.formats.projects.poetry.manifest import Manifest
from environments.definition.formats.projects.requested import BadRequest
from environments.definition.formats.projects.taking import take
from environments.definition.formats.selection import choose
from environments.definition.formats.source import Source
from environments.definition.syntax.text import Placed

FORMAT = "pyproject-poetry"
_TABLE = re.compile(r"(?m)^[ \t]*+\[[ \t]*+tool[ \t]*+\.[ \t]*+poetry[ \t]*+[.\]]")
_PACKAGES = re.compile(r"(?m)^[ \t]*+\[[ \t]*+tool\.poetry\.(?:dependencies|dev-dependencies|group)\b")
_OTHER = re.compile(r"(?m)^[ \t]*+\[\[?[ \t]*+tool\.(?:pixi|uv|pdm)\b")


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a pyproject.toml of poetry."""
    if filename and not filename.lower().endswith(".toml"):
        return False
    if _PACKAGES.search(text):
        return not re.search(r"(?m)^\[\[?tool\.pixi\b", text)
    return bool(_TABLE.search(text)) and not _OTHER.search(text)


def read(draft: Draft, text: str, source: Source) -> None:
    """Read what the main group and the chosen extras and groups request."""
    manifest = Manifest(Beside(toml.document(draft, text), draft.file))
    chosen = choose(draft, manifest.extras, manifest.groups)
    draft.any_channel = True
    try:
        draft.requires_python = manifest.python
    except BadRequest as error:
        at = manifest.beside.at("tool", "poetry", "dependencies", "python")
        draft.note("bad-dependency", at, what="python", why=str(error))
    requested = manifest.requested(draft, chosen)
    given = indexes(manifest)
    take(draft, requested, given.by_name, draft.requires_python)
    if not draft.pip and not draft.refused:
        what = "the project" if not requested else "the project, apart from folders of its own,"
        raise draft.refuse("project-empty", Placed("", 1), what=what)
    draft.pip[:0] = given.lines
    draft.name = manifest.name
    if draft.requires_python:
        draft.note(
            "project-python",
            manifest.beside.at("tool", "poetry", "dependencies", "python"),
            what=draft.requires_python,
        )
    if source.beside("poetry.lock"):
        draft.note("lock-unread", None, lock="poetry.lock", why="pyproject.toml was given")
