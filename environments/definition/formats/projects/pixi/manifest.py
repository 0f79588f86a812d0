"""pixi.toml, and pyproject.toml with pixi's tables: the packages that an environment of the project requests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.pixi import settings
from environments.definition.formats.projects.pixi.pyproject import Requirement, Standard
from environments.definition.formats.projects.pixi.specs import NotALine, conda_line, pip_line
from environments.definition.formats.projects.pixi.workspace import (
    Environment,
    Workspace,
    choose,
    workspace_of,
)
from environments.definition.formats.selection import note_parts
from environments.definition.formats.source import Source
from environments.definition.packages.locked import PLATFORMS
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed

FORMAT = "pixi-toml"
IN_PYPROJECT = "pyproject-pixi"
_MOST_EXTRAS = 200
MANIFEST, PYPROJECT, LOCK = "pixi.toml", "pyproject.toml", "pixi.lock"
_TABLES = ("build-dependencies", "host-dependencies", "dependencies")
"""The tables of conda packages; the last of them that has a package decides."""
_WORKSPACE = re.compile(r"(?m)^[ \t]*\[[ \t]*(?:workspace|project)[ \t]*\]")
_CHANNELS = re.compile(r"(?m)^[ \t]*(?:channels|platforms)[ \t]*=")
_IN_PYPROJECT = re.compile(
    r"(?m)^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*pixi[ \t]*(?:\.[ \t]*(?:workspace|project)\b|\])"
)
_SIMPLE = re.compile(r"[A-Za-z0-9_.-]++(?: ?(?P<version>[^\s|()\[\]:]++))?")


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a pixi.toml."""
    name = filename.rpartition("/")[2].lower()
    if name == MANIFEST:
        return True
    unnamed = not name or (name.endswith(".toml") and name != PYPROJECT and not name.startswith("pylock"))
    return unnamed and _WORKSPACE.search(text) is not None and len(_CHANNELS.findall(text)) > 1


def recognised_in_pyproject(text: str, filename: str) -> bool:
    """Whether the text is a pyproject.toml of pixi."""
    name = filename.rpartition("/")[2].lower()
    return (name == PYPROJECT or not name) and _IN_PYPROJECT.search(text) is not None


@dataclass(slots=True)
class Requested:
    """The requested packages of one environment: lines by kind and package, and what is left out."""

    conda: dict[str, list[Placed]] = field(default_factory=dict)
    pip: dict[str, list[Placed]] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    left_out: list[Placed] = field(default_factory=list)


def read(draft: Draft, text: str, source: Source) -> None:
    """Read an environment of the project into the draft. Refuses one that requests nothing."""
    document = toml.document(draft, text)
    workspace = workspace_of(document)
    if workspace is None:
        raise draft.refuse(
            "project-empty",
            Placed("", 1),
            what="a pixi file without the table [workspace]",
            help=_NO_WORKSPACE,
        )
    draft.name = toml.text(workspace.table, "name") or toml.text(
        toml.table(document.values, "project"), "name"
    )
    draft.version, draft.description = (
        toml.text(workspace.table, "version"),
        toml.text(workspace.table, "description"),
    )
    standard = Standard(document) if workspace.path else None
    environment = choose(draft, workspace, standard.features if standard else {})
    requested = requests(draft, workspace, environment, standard)
    for name in requested.left_out:
        draft.note("project-left-out", name, what=str(name))
    _fill_in(draft, workspace, environment, requested)
    note_parts(draft, "", workspace.at(draft, *workspace.path, "environments"))
    if LOCK in source.folder.names() and not draft.selection.ignore_lock and not source.base:
        draft.note("lock-unread", Placed("", 1), lock=LOCK, why=f"{source.path or MANIFEST} was given")


_NO_WORKSPACE = "Give the pixi.toml of the workspace that this file belongs to."


def _fill_in(draft: Draft, workspace: Workspace, environment: Environment, requested: Requested) -> None:
    draft.conda += [line for lines in requested.conda.values() for line in _joined(lines)]
    pip = [line for lines in requested.pip.values() for line in lines]
    if not draft.conda and not pip and not draft.refused:
        at = workspace.at(draft, *workspace.table_path)
        raise draft.refuse(
            "project-empty", at, what=f"the environment {environment.name} of this pixi project"
        )
    draft.platform = PLATFORMS.get(environment.platform.subdir, draft.platform)
    settings.channels(draft, workspace, environment)
    options = settings.indexes(draft, workspace, environment)
    draft.pip += [*options, *pip] if pip else []
    draft.package_indexes = requested.indexes
    settings.variables(draft, workspace, environment)
    settings.target(draft, environment)
    settings.cutoff(draft, workspace)
    settings.not_applied(draft, workspace, environment)


def requests(
    draft: Draft, workspace: Workspace, environment: Environment, standard: Standard | None
) -> Requested:
    """The packages that an environment requests, its default feature first; a finding for what no line can say."""
    requested = Requested()
    # The default feature is what people read first.
    for feature in sorted(environment.features, key=lambda feature: feature.name != "default"):
        for name, (value, path) in feature.entries(*_TABLES).items():
            _conda(draft, requested, name, value, workspace.at(draft, *path))
        for name, (value, path) in feature.entries("pypi-dependencies").items():
            _pip(draft, requested, name, value, workspace.at(draft, *path))
            if standard:
                _extras_of_project(draft, workspace, requested, standard, name, value)
        if standard and feature.name == "default":
            own = {pip_name(name) for name in feature.entries("pypi-dependencies")}
            _standard(draft, workspace, requested, [r for r in standard.requirements() if r.name not in own])
        elif standard:
            _standard(draft, workspace, requested, standard.feature(feature.name.removeprefix("feature ")))
    default = any(feature.name == "default" for feature in environment.features)
    if standard and default and standard.python and "python" not in requested.conda:
        at = workspace.at(draft, "project", "requires-python")
        requested.conda = {"python": [at.moved(_python(standard.python))], **requested.conda}
    return requested


def _python(requires: str) -> str:
    """Return the specification of conda for a `requires-python`; conda has no `==3.11.*`."""
    parts = (part.strip().replace(" ", "") for part in requires.split(","))
    return "python " + ",".join(part.removeprefix("==") if part.endswith(".*") else part for part in parts)


def _standard(
    draft: Draft, workspace: Workspace, requested: Requested, requirements: list[Requirement]
) -> None:
    for requirement in requirements:
        # pixi takes a package from conda where both name it.
        if requirement.name not in requested.conda:
            line = workspace.at(draft, *requirement.path).moved(requirement.text)
            _add(requested.pip, requirement.name or requirement.text, line)


def _extras_of_project(
    draft: Draft, workspace: Workspace, requested: Requested, standard: Standard, name: str, value: object
) -> None:
    """Add what the project's own extras require, where the project installs itself with them."""
    table = toml.table(value)
    if "path" in table and pip_name(name) == standard.name:
        for extra in toml.items(table, "extras")[:_MOST_EXTRAS]:
            if isinstance(extra, str):
                _standard(draft, workspace, requested, standard.of_extra(extra))


def _conda(draft: Draft, requested: Requested, name: str, value: object, at: Placed) -> None:
    table = toml.table(value)
    url = toml.text(table, "url").partition("#")[0]
    if "path" in table and not toml.text(table, "path").endswith((".conda", ".tar.bz2")):
        requested.left_out.append(at.moved(name[:80]))
        return
    if "git" in table or "path" in table or (url and not url.endswith((".conda", ".tar.bz2"))):
        where = toml.text(table, "git") or toml.text(table, "path") or url
        why = "no conda package is built from source here"
        draft.note("not-buildable", at, what=f"{name[:80]} from {where[:200]}", why=why, help=_SOURCE)
        return
    try:
        line = conda_line(name, value)
    except NotALine as reason:
        draft.note("bad-conda-spec", at, what=name[:80], why=str(reason))
        return
    _add(requested.conda, name.lower(), at.moved(" ".join(line.split())))


_SOURCE = "Take the package from a channel, or install it in a Dockerfile."


def _pip(draft: Draft, requested: Requested, name: str, value: object, at: Placed) -> None:
    table = toml.table(value)
    if "path" in table:
        requested.left_out.append(at.moved(name[:80]))
        return
    try:
        line = pip_line(name, value)
    except NotALine as reason:
        draft.note("bad-requirement", at, what=name[:80], why=str(reason))
        return
    _add(requested.pip, pip_name(name), at.moved(" ".join(line.split())))
    index = toml.text(table, "index").strip().rstrip("/")
    if index:
        requested.indexes[pip_name(name)] = at.moved(index)


def _add(lines: dict[str, list[Placed]], name: str, line: Placed) -> None:
    known = lines.setdefault(name, [])
    bare = [text for text in known if re.fullmatch(r"[\w.-]+", text)]
    if line in known or (known and re.fullmatch(r"[\w.-]+", line)):
        return
    # A feature that names a version says more than another that names none.
    lines[name] = [*(text for text in known if text not in bare), line]


def _joined(lines: list[Placed]) -> list[Placed]:
    """Return one specification that means all of these, where their versions can be joined."""
    parts = [_SIMPLE.fullmatch(line) for line in lines]
    if len(lines) == 1 or not all(part and part["version"] for part in parts):
        return lines
    name = re.match(r"[\w.-]+", lines[0])
    versions = [_as_constraint(part["version"]) for part in parts if part]
    return [lines[0].moved(f"{name[0] if name else ''} {','.join(dict.fromkeys(versions))}")]


def _as_constraint(version: str) -> str:
    """Return a version that means the same beside others: `=3.12` is `3.12.*` there."""
    if version.startswith("=") and not version.startswith("=="):
        return version[1:] if version.endswith("*") else f"{version[1:]}.*"
    return version


def beside(draft: Draft, source: Source, limit: int) -> tuple[str, str] | None:
    """The pixi project beside a lock: its file's name and text; None where none is there."""
    names = set(source.folder.names()) if not source.base else set()
    for name, of_pixi in ((MANIFEST, recognised), (PYPROJECT, recognised_in_pyproject)):
        content = source.folder.read(name, limit) if name in names else None
        text = (content or b"").decode("utf-8", "replace")
        if content is not None and len(content) <= limit and of_pixi(text, name):
            return name, text
    return None


def read_beside(draft: Draft, name: str, text: str, source: Source) -> None:
    """Read the project beside a lock, whose lock is to be ignored."""
    draft.file, draft.lines = name, text.split("\n")
    draft.format = FORMAT if name == MANIFEST else IN_PYPROJECT
    read(draft, text, replace(source, path=name))
