"""Which file of a project is its definition: a lock beside its manifest, the manifest, or plain requirements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from environments.definition.files.folder import OutsideFolder
from environments.definition.formats.source import Source
from environments.definition.formats.toml import table
from environments.definition.syntax import toml
from environments.definition.syntax.tree import Unreadable

PYPROJECT = "pyproject.toml"
REQUIREMENTS = "requirements.txt"
CONDA_FILES = ("environment.yml", "environment.yaml")
CONDA_LOCK = "conda-lock.yml"


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that a tool writes beside a manifest: the manifests, of which the first that is there counts."""

    name: str
    manifests: tuple[str, ...]
    tool: str = ""
    """The tool's table in pyproject.toml, by which its lock is preferred to another tool's."""


LOCKS = (
    Lock("pixi.lock", ("pixi.toml", PYPROJECT), "pixi"),
    Lock("uv.lock", (PYPROJECT,), "uv"),
    Lock("poetry.lock", (PYPROJECT,), "poetry"),
    Lock("pdm.lock", (PYPROJECT,), "pdm"),
    Lock("Pipfile.lock", ("Pipfile",)),
    Lock(CONDA_LOCK, CONDA_FILES),
    Lock("pylock.toml", (PYPROJECT, "requirements.in")),
)
MANIFESTS = ("pixi.toml", PYPROJECT, "Pipfile")
"""What a tool locks, in the order in which they are read where there is no lock."""
FILES = frozenset((*MANIFESTS, *(lock.name for lock in LOCKS)))
_REQUESTS = re.compile(r"(?m)^[ \t]*\[(?:project|dependency-groups|tool\.(?:pixi|poetry|pdm|uv))[\].]")


def chosen_of_project(source: Source, below: str, names: Iterable[str], *, ignore_lock: bool) -> str | None:
    """Return the name of the file that a project in this folder is read by; None if it is none."""
    present = frozenset(names)
    path = f"{below}/{PYPROJECT}" if below else PYPROJECT
    tools = _tools(source, path) if PYPROJECT in present else frozenset()
    locks = [lock for lock in LOCKS if lock.name in present]
    if not ignore_lock and locks:
        # Of several, that of the tool that the project is written for; another may be left from earlier days.
        return min(locks, key=lambda lock: not _is_of(lock, present, tools)).name
    for name in MANIFESTS:
        if name in present and (name != PYPROJECT or tools):
            return name
    if REQUIREMENTS in present:
        return REQUIREMENTS
    return locks[0].name if locks else None


def counterparts(name: str) -> tuple[str, ...]:
    """Return the files that belong to this file: the manifests of a lock, or the locks of a manifest."""
    return manifests_of(name) or tuple(lock.name for lock in LOCKS if name in lock.manifests)


def manifests_of(name: str) -> tuple[str, ...]:
    """Return the manifests that a lock with this name may be of; none for any other file."""
    return next((lock.manifests for lock in LOCKS if lock.name == name), ())


def requests_packages(source: Source, path: str) -> bool:
    """Return whether a pyproject.toml requests packages; many hold nothing but settings of linters."""
    return bool(_tools(source, path))


def _is_of(lock: Lock, present: frozenset[str], tools: frozenset[str]) -> bool:
    manifest = next((name for name in lock.manifests if name in present), None)
    if manifest != PYPROJECT or not lock.tool:
        return manifest is not None
    # pixi needs its table; the others also lock what the standard tables request.
    return lock.tool in tools or (lock.tool != "pixi" and not tools & {other.tool for other in LOCKS})


def _tools(source: Source, path: str) -> frozenset[str]:
    """Return the parts of a pyproject.toml that request packages, by tool, with `project` for PEP 621 and PEP 735."""
    try:
        content = source.folder.read(path, source.limits.definition)
    except OutsideFolder:
        return frozenset()
    text = (content or b"").decode("utf-8-sig", "replace")
    try:
        values = toml.parse(text).values
    except Unreadable:
        # Read anyway, so that its faults are named.
        return frozenset(("project",)) if _REQUESTS.search(text) else frozenset()
    return frozenset(_requesting(values))


def _requesting(values: Mapping[str, Any]) -> Iterable[str]:
    project, tool = table(values, "project"), table(values, "tool")
    if any(project.get(key) for key in ("dependencies", "optional-dependencies")) or values.get(
        "dependency-groups"
    ):
        yield "project"
    if any(table(tool, "pixi").get(key) for key in _OF_PIXI):
        yield "pixi"
    poetry = table(tool, "poetry")
    if {*table(poetry, "dependencies")} - {"python"} or poetry.get("group") or poetry.get("dev-dependencies"):
        yield "poetry"
    for name in ("uv", "pdm"):
        if table(tool, name).get("dev-dependencies") or (project and name in tool):
            yield name


_OF_PIXI = ("dependencies", "pypi-dependencies", "feature", "environments", "target", "workspace", "project")
