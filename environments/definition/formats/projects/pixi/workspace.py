"""The environments of a pixi project: which features make one, and what each feature says for one platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from environments.definition.findings.result import Draft, Offers, Refused
from environments.definition.formats import toml
from environments.definition.formats.selection import selected
from environments.definition.model import Selection
from environments.definition.packages.locked import SUBDIRS
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document, Path, Table

DEFAULT = "default"
_MOST_FEATURES = 200
_MOST_LISTED = 20
_MOST_PLATFORMS = 200


@dataclass(frozen=True, slots=True)
class Part:
    """A feature's table, or one of its tables for a platform; `path` is where the document has it."""

    table: Table
    path: Path


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature: its own table, then those for the platform, the most specific last."""

    name: str
    parts: tuple[Part, ...]

    @property
    def table(self) -> Table:
        """Its table for every platform."""
        return self.parts[0].table

    def entries(self, *keys: str) -> dict[str, tuple[Any, Path]]:
        """The entries of its tables with these keys; those for the platform take precedence."""
        entries: dict[str, tuple[Any, Path]] = {}
        for key in keys:
            for part in self.parts:
                for name, value in toml.table(part.table, *key.split(".")).items():
                    entries[name] = (value, (*part.path, *key.split("."), name))
        return entries


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform of the workspace: its name there, conda's name for it, and its virtual packages."""

    name: str
    subdir: str
    virtual: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A pixi project: its document, the path of pixi's tables in it, and the table `workspace` or `project`."""

    document: Document
    path: Path
    table: Table
    table_path: Path

    @property
    def root(self) -> Table:
        """pixi's own tables."""
        return toml.table(self.document.values, *map(str, self.path))

    def at(self, draft: Draft, *path: str | int) -> Placed:
        """The place of a key, given by its whole path in the document."""
        return toml.at(draft, self.document, *path)

    @property
    def environments(self) -> dict[str, object]:
        """The environments by name, the default one first."""
        return {DEFAULT: [], **toml.table(self.root, "environments")}

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that the workspace is for."""
        return tuple(_platforms(self.table))


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment: its features, the default one last, and the platform that is read."""

    name: str
    features: tuple[Feature, ...]
    platform: Platform


def workspace_of(document: Document) -> Workspace | None:
    """The pixi project in a document: a pixi.toml, or pixi's part of a pyproject.toml; None where it has none."""
    for path in (("tool", "pixi"), ()):
        root = toml.table(document.values, *path)
        for key in ("workspace", "project"):
            table = toml.table(root, key)
            if table and (path or "channels" in table or "platforms" in table):
                return Workspace(document, path, table, (*path, key))
    return None


def choose(draft: Draft, workspace: Workspace, extra: Mapping[str, object]) -> Environment:
    """The environment that is selected, or the default one; the draft offers the others.

    `extra` are the features that a pyproject.toml adds. Refuses what the project does not have.
    """
    names = [name for name in workspace.environments if isinstance(name, str)]
    name = environment_of(draft, names, workspace.at(draft, *workspace.path, "environments"))
    value = workspace.environments[name]
    path = (*workspace.path, "environments", name)
    listed = value if isinstance(value, list) else toml.items(toml.table(value), "features")
    features = list(dict.fromkeys(feature for feature in listed if isinstance(feature, str)))[:_MOST_FEATURES]
    known = {**toml.table(workspace.root, "feature"), **dict.fromkeys(extra)}
    for feature in features:
        if feature not in known and feature != DEFAULT:
            at = workspace.at(draft, *path)
            raise draft.refuse("selection-unknown", at, kind="feature", what=feature, known=listing(known))
    tables: list[tuple[str, Path]] = [
        (f"feature {feature}", ("feature", feature)) for feature in features if feature != DEFAULT
    ]
    without = toml.table(value).get("no-default-feature") is True
    if not without:
        tables.append((DEFAULT, ()))
    platform = _platform(
        draft, workspace, [toml.table(workspace.root, *map(str, keys)) for _, keys in tables]
    )
    made = (_feature(workspace, name, keys, platform) for name, keys in tables)
    return Environment(name, tuple(made), platform)


def environment_of(draft: Draft, names: list[str], at: Placed) -> str:
    """The environment that is selected, or the default one. Refuses a selection that the project cannot fill."""
    offers = Offers(environments=tuple(names), default=Selection(environment=DEFAULT))
    name = selected(draft, offers, at).environment
    if draft.counts["selection-unknown"]:
        raise Refused("selection-unknown")
    if name not in names:
        raise draft.refuse("selection-unknown", at, kind="environment", what=name, known=listing(names))
    return name


def listing(names: object) -> str:
    """The names with commas between, as many as a message has room for."""
    listed = [str(name)[:60] for name in names] if isinstance(names, (list, tuple, dict)) else []
    more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return (", ".join(listed[:_MOST_LISTED]) or "(none)") + more


def _feature(workspace: Workspace, name: str, keys: Path, platform: Platform) -> Feature:
    path = (*workspace.path, *keys)
    table = toml.table(workspace.root, *map(str, keys))
    parts = [Part(table, path)]
    system = platform.subdir.partition("-")[0]
    selectors = (*(("unix",) if system in ("linux", "osx") else ()), system, platform.subdir, platform.name)
    for selector in dict.fromkeys(selectors):
        target = toml.table(table, "target", selector)
        if target:
            parts.append(Part(target, (*path, "target", selector)))
    return Feature(name, tuple(parts))


def _platforms(table: Table) -> Iterator[Platform]:
    for value in toml.items(table, "platforms")[:_MOST_PLATFORMS]:
        if isinstance(value, str):
            yield Platform(value, value)
        elif isinstance(value, dict):
            subdir = toml.text(value, "platform") or toml.text(value, "name")
            virtual = {key: text for key, text in value.items() if isinstance(text, str)}
            yield Platform(toml.text(value, "name") or subdir, subdir, virtual)


def _platform(draft: Draft, workspace: Workspace, features: list[Table]) -> Platform:
    """Choose among the platforms that all features are for: plain linux-64, else another for Linux."""
    fitting = list(workspace.platforms)
    for table in features:
        names = {name for name in toml.items(table, "platforms") if isinstance(name, str)}
        if "platforms" in table:
            fitting = [platform for platform in fitting if {platform.name, platform.subdir} & names]
    for subdir in (SUBDIRS[draft.platform], "linux-aarch64"):
        of_it = [platform for platform in fitting if platform.subdir == subdir]
        if of_it:
            return next((platform for platform in of_it if platform.name == subdir), of_it[0])
    wanted = SUBDIRS[draft.platform]
    if fitting or workspace.platforms:
        at = workspace.at(draft, *workspace.table_path, "platforms")
        have = listing([platform.name for platform in fitting])
        draft.note("project-platform", at, what=wanted, known=have)
    return Platform(wanted, wanted)
