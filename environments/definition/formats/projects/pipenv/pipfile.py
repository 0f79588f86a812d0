"""Pipfile: the packages that a Pipenv project requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.beside import Beside
from environments.definition.formats.projects.pipenv.sources import Sources, take_sources
from environments.definition.formats.projects.requested import (
    LONGEST,
    BadRequest,
    Requested,
    checked_name,
    repository_url,
)
from environments.definition.formats.projects.taking import take
from environments.definition.formats.selection import choose
from environments.definition.formats.source import Source
from environments.definition.formats.toml import items, table, text
from environments.definition.model import Selection
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table

FORMAT = "pipfile"
NAME, LOCK = "Pipfile", "Pipfile.lock"
DEV = "dev"
_HEADER = re.compile(r"(?m)^\[(?:dev-)?packages\][ \t]*+\r?$")
_NOT_PACKAGES = frozenset(("source", "requires", "scripts", "pipfile", "pipenv"))
_REPOSITORIES = ("git", "hg", "svn", "bzr")
_MARKER_KEYS = (
    "os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_release",
    "platform_system", "platform_version", "python_version", "python_full_version", "implementation_name",
    "implementation_version",
)  # fmt: skip


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a Pipfile."""
    name = filename.rpartition("/")[2].lower()
    return name == "pipfile" or (not name.endswith((".toml", ".lock")) and _HEADER.search(text) is not None)


@dataclass(frozen=True)
class Pipfile:
    """A Pipfile."""

    beside: Beside

    @property
    def groups(self) -> list[str]:
        """The names of its categories of packages besides the default."""
        values = self.beside.values
        names = [
            name for name, value in values.items() if isinstance(value, dict) and name not in _NOT_PACKAGES
        ]
        return [
            DEV if name == "dev-packages" else name for name in names if name not in ("packages", "default")
        ]

    @property
    def python(self) -> str:
        """The Pythons that it is for, as a specifier."""
        return required_python(table(self.beside.values, "requires"))

    def requested(self, draft: Draft, chosen: Selection) -> list[Requested]:
        """Return what the default and the chosen categories request; faults are findings."""
        sections = ["packages", *("dev-packages" if name == DEV else name for name in chosen.groups)]
        everything: dict[Requested, None] = {}
        for section in sections:
            for name, entry in table(self.beside.values, section).items():
                at = self.beside.at(section, name)
                try:
                    everything[_requested(name, entry, at)] = None
                except BadRequest as error:
                    draft.note("bad-dependency", at, what=name[:80], why=str(error))
        return list(everything)


def read(draft: Draft, text: str, source: Source) -> None:
    """Read what the default and the chosen categories request."""
    pipfile = Pipfile(Beside(toml.document(draft, text), draft.file))
    chosen = choose(draft, (), pipfile.groups, what="the default category")
    draft.any_channel = True
    draft.requires_python = pipfile.python
    requested = pipfile.requested(draft, chosen)
    sources = Sources.of_pipfile(pipfile.beside)
    take(draft, requested, sources.by_name, draft.requires_python)
    if not draft.pip and not draft.refused:
        what = "the Pipfile" if not requested else "the Pipfile, apart from folders of its own,"
        raise draft.refuse("project-empty", Placed("", 1), what=what)
    if table(pipfile.beside.values, "pipenv").get("allow_prereleases") is True:
        draft.pip.insert(0, pipfile.beside.at("pipenv").moved("--pre"))
    take_sources(draft, sources)
    if draft.requires_python:
        draft.note("project-python", pipfile.beside.at("requires"), what=draft.requires_python)
    if source.beside(LOCK):
        draft.note("lock-unread", None, lock=LOCK, why="the Pipfile was given")


def required_python(requires: Mapping[str, object]) -> str:
    """Return the specifier for the Python that a project requires; empty for any."""
    for key, wildcard in (("python_full_version", ""), ("python_version", ".*")):
        version = requires.get(key)
        if isinstance(version, str) and re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){0,2}", version):
            return f"=={version}{wildcard}"
    return ""


def _requested(name: str, entry: object, at: Placed) -> Requested:
    bare, _, inside = checked_key(name)
    if isinstance(entry, str):
        return Requested(bare, _specifier(entry), inside, at=at)
    if not isinstance(entry, dict):
        raise BadRequest("it is neither a version nor a table")
    url, folder = origin(entry)
    extras = (*inside, *(checked_name(extra) for extra in items(entry, "extras") if isinstance(extra, str)))
    return Requested(
        bare,
        "" if url or folder else _specifier(text(entry, "version") or "*"),
        extras,
        " and ".join(_markers(entry)),
        url,
        folder,
        index=text(entry, "index"),
        at=at,
    )


def checked_key(key: str) -> tuple[str, str, tuple[str, ...]]:
    """Return the name and the extras of a key such as `uvicorn[standard]`. Raises BadRequest."""
    name, bracket, inside = key.partition("[")
    extras = tuple(
        checked_name(extra.strip()) for extra in inside.removesuffix("]").split(",") if extra.strip()
    )
    return checked_name(name.strip()), bracket, extras


def origin(entry: Table) -> tuple[str, str]:
    """Return the URL, or the path in the project, that a package comes from. Raises BadRequest."""
    below = text(entry, "subdirectory")
    url, folder = "", text(entry, "path")
    for kind in _REPOSITORIES:
        if repository := text(entry, kind):
            url = repository_url(kind, repository, text(entry, "ref"), below)
    if file := text(entry, "file") or text(entry, "uri"):
        if file.startswith(("http://", "https://")):
            url = file + (f"#subdirectory={below}" if below and "#" not in file else "")
        else:
            folder = file
    if len(url) > LONGEST or len(url.split()) > 1:
        raise BadRequest("its address is too long, or has a blank in it")
    return url, folder


def _specifier(version: str) -> str:
    version = version.strip()
    if version in ("*", ""):
        return ""
    if len(version) > LONGEST:
        raise BadRequest(f"it has {len(version)} characters, and {LONGEST} are read")
    if version[0].isdigit():
        version = f"=={version}"
    try:
        return str(SpecifierSet(version)) if "===" in version else _as_written(version)
    except InvalidSpecifier:
        raise BadRequest(f"{version[:60]!r} is not a version") from None


def _as_written(version: str) -> str:
    SpecifierSet(version)
    return "".join(version.split())


def _markers(entry: Table) -> Iterator[str]:
    whole = text(entry, "markers") or text(entry, "os_markers")
    keys = [key for key in _MARKER_KEYS if text(entry, key)]
    if len(whole) > LONGEST:
        raise BadRequest("its marker is too long")
    if whole:
        yield f"({whole})" if keys and " or " in whole else whole
    for key in keys:
        yield f"{key} {text(entry, key)[:200].strip()}"
