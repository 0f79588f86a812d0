"""pyproject.toml: the project's requirements (PEP 621), its extras and groups (PEP 735), and what uv and pdm add."""

from __future__ import annotations

import re

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.pep621.manifest import (
    Manifest,
    of_pyproject,
    resolve_python,
)
from environments.definition.formats.projects.pep621.requests import requests
from environments.definition.formats.projects.pep621.settings import overridden, settings
from environments.definition.formats.projects.pep621.sources import origins
from environments.definition.formats.projects.requested import MOST_REQUESTS
from environments.definition.formats.selection import note_parts, selected
from environments.definition.formats.source import Source
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document

FORMAT = "pyproject"
FILE_NAME = "pyproject.toml"
LOCKS = ("uv.lock", "pdm.lock", "poetry.lock", "pylock.toml")
_OTHERS = ("pixi.toml", "pipfile", "dockerfile", "containerfile")
_OF_PIXI = re.compile(r"(?m)^(?:channels|platforms)[ \t]{0,8}=")
_HEADER = re.compile(
    r"(?m)^[ \t]{0,8}\[(?:project|build-system|dependency-groups|tool\.uv|tool\.pdm)(?:\.[\w.-]{1,200})?\][ \t\r]{0,8}$"
)


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a pyproject.toml."""
    name = filename.rpartition("/")[2].lower()
    if name == FILE_NAME:
        return True
    other = name in _OTHERS or (name and not name.endswith(".toml") and "." in name)
    # pixi.toml may have a table [project] as well.
    return not other and _HEADER.search(text) is not None and _OF_PIXI.search(text) is None


def read(draft: Draft, text: str, source: Source) -> None:
    """Read what the project requests, with the extras and groups that are selected."""
    document = toml.document(draft, text)
    manifest = of_pyproject(draft, document)
    draft.name = manifest.name
    version = toml.text(toml.table(document.values, "project"), "version")
    draft.version, draft.description = (
        version,
        toml.text(toml.table(document.values, "project"), "description"),
    )
    selected(draft, manifest.offers)
    if draft.refused:
        return
    at = toml.at(draft, document, "project", "dependencies")
    if "dependencies" in manifest.dynamic:
        at = toml.at(draft, document, "project", "dynamic")
        raise draft.refuse("project-dynamic", at, what="the project", help=_advice(document))
    report_lock(draft, source, at)
    take(draft, document, manifest, at)
    note_parts(draft, manifest.name or "the project", at)


def take(draft: Draft, document: Document, manifest: Manifest, at: Placed) -> None:
    """Fill the draft with the requirements of the chosen parts, from where the project takes them."""
    resolve_python(draft, manifest)
    result = settings(draft, document)
    requested = overridden(draft, result, requests(draft, manifest, draft.selection))
    sources = origins(draft, document, result.indexes, draft.requires_python)
    lines: dict[str, Placed] = {}
    for request in requested:
        for line in sources.lines(request):
            lines.setdefault(str(line), line)
        if len(lines) > MOST_REQUESTS:
            raise draft.refuse(
                "too-large", at, what="the project", size=f"{len(lines)} lines", limit=str(MOST_REQUESTS)
            )
    for name in {request.name for request in requested} & result.package_indexes.keys():
        draft.package_indexes.setdefault(name, result.package_indexes[name])
    if not lines and not draft.refused:
        raise draft.refuse("project-empty", at, what=_part(manifest, draft), help=_instead(manifest))
    draft.pip += [*result.options, *lines.values(), *result.constraints]


def report_lock(draft: Draft, source: Source, at: Placed, names: tuple[str, ...] = LOCKS) -> None:
    """Say that the lock beside the manifest is not read."""
    for name in names:
        if source.beside(name):
            why = (
                "the project is solved again, as requested"
                if draft.selection.ignore_lock
                else ("the manifest is read itself")
            )
            draft.note("lock-unread", at, lock=name, why=why)
            return


def _part(manifest: Manifest, draft: Draft) -> str:
    parts = ", ".join((*draft.selection.extras, *draft.selection.groups))
    project = manifest.name or "the project"
    return f"{project} with {parts}" if parts else project


def _instead(manifest: Manifest) -> str:
    others = [*manifest.extras, *manifest.groups]
    if not others:
        return ""
    listed = ", ".join(others[:20])
    return f"Choose an extra or group that requests packages ({listed}), or give the file that lists them."


def _advice(document: Document) -> str:
    """Return which file holds the requirements, where setuptools reads them from one."""
    named = toml.table(document.values, "tool", "setuptools", "dynamic", "dependencies").get("file")
    files = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    names = [name for name in files if isinstance(name, str)]
    return f"Give {', '.join(names)[:200]}, which holds them." if names else ""
