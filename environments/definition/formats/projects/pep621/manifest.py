"""The requests of a project, by the tables that the standards have for it (PEP 621, PEP 735, PEP 723)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from environments.definition.findings.result import Draft, Offers
from environments.definition.formats import toml
from environments.definition.model import Selection
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document

ALL = "all"
DEV = "dev"
_LONGEST = 16 << 10


@dataclass(frozen=True, slots=True)
class Include:
    """A group that another group includes."""

    group: Placed


@dataclass(slots=True)
class Manifest:
    """The requirements of a project, its extras and its groups, as they were written."""

    name: str = ""
    requires_python: Placed = field(default_factory=lambda: Placed(""))
    dependencies: list[Placed] = field(default_factory=list)
    extras: dict[str, list[Placed]] = field(default_factory=dict)
    groups: dict[str, list[Placed | Include]] = field(default_factory=dict)
    default_groups: tuple[str, ...] = ()
    """The groups that are read without a selection; `dev` is none of them."""
    dynamic: frozenset[str] = frozenset()
    """What only a program of the project knows."""

    @property
    def offers(self) -> Offers:
        """The extras and groups, for a choice."""
        default = Selection(groups=self.default_groups)
        return Offers(extras=tuple(self.extras), groups=tuple(self.groups), default=default)


def of_pyproject(draft: Draft, document: Document) -> Manifest:
    """Return what a pyproject.toml requests."""
    project = toml.table(document.values, "project")
    optional = toml.table(project, "optional-dependencies")
    manifest = Manifest(
        name=toml.text(project, "name"),
        requires_python=_text(draft, document, "project", "requires-python"),
        dependencies=requirements(draft, document, "project", "dependencies"),
        extras={
            name: requirements(draft, document, "project", "optional-dependencies", name) for name in optional
        },
        groups=_groups(draft, document),
    )
    dynamic = project.get("dynamic")
    if isinstance(dynamic, list):
        manifest.dynamic = frozenset(part for part in dynamic if isinstance(part, str)) - project.keys()
    manifest.default_groups = _default_groups(document, manifest.groups)
    return manifest


def of_script(draft: Draft, document: Document) -> Manifest:
    """Return what the header of a script requests."""
    return Manifest(
        requires_python=_text(draft, document, "requires-python"),
        dependencies=requirements(draft, document, "dependencies"),
    )


def requirements(draft: Draft, document: Document, *path: str) -> list[Placed]:
    """Return the lines of a list of requirements, with a finding for what is no text."""
    return [line for line in _entries(draft, document, *path) if isinstance(line, Placed)]


def resolve_python(draft: Draft, manifest: Manifest) -> None:
    """Take the Pythons that the project is for, where they are written as PEP 440 has them."""
    text = manifest.requires_python
    if not text:
        return
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        draft.note("wrong-shape", text, what="requires-python", expected="such as >=3.11", found=text[:80])
        return
    draft.requires_python = str(text)
    draft.note("project-python", text, what=str(text))


def _text(draft: Draft, document: Document, *path: str) -> Placed:
    *tables, key = path
    return toml.at(draft, document, *path).moved(toml.text(toml.table(document.values, *tables), key).strip())


def _entries(draft: Draft, document: Document, *path: str) -> list[Placed | Include]:
    """Return the requirements and includes of a list."""
    *tables, key = path
    holder = toml.table(document.values, *tables)
    value, name = holder.get(key, []), ".".join(path)
    if not isinstance(value, list):
        at = toml.at(draft, document, *path)
        draft.note("wrong-shape", at, what=name, expected="a list of requirements", found=_kind(value))
        return []
    entries: list[Placed | Include] = []
    for index, entry in enumerate(value):
        at = toml.at(draft, document, *path, index)
        group = entry.get("include-group") if isinstance(entry, Mapping) else None
        if isinstance(entry, str) and len(entry) > _LONGEST:
            draft.note("bad-requirement", at, what=f"{entry[:40]}…", why="the line is too long")
        elif isinstance(entry, str):
            entries.append(at.moved(" ".join(entry.split())))
        elif isinstance(group, str) and path[0] == "dependency-groups":
            entries.append(Include(at.moved(group)))
        else:
            draft.note(
                "wrong-shape", at, what=f"each of {name}", expected="a requirement", found=_kind(entry)
            )
    return entries


def _kind(value: object) -> str:
    return {"dict": "a table", "list": "a list", "str": "a text", "bool": "true or false"}.get(
        type(value).__name__, "a number or date"
    )


def _groups(draft: Draft, document: Document) -> dict[str, list[Placed | Include]]:
    groups = {
        name: _entries(draft, document, "dependency-groups", name)
        for name in toml.table(document.values, "dependency-groups")
    }
    legacy = ("tool", "uv", "dev-dependencies")
    if toml.items(toml.table(document.values, "tool", "uv"), "dev-dependencies"):
        groups[DEV] = [*groups.get(DEV, []), *requirements(draft, document, *legacy)]
    for name in toml.table(document.values, "tool", "pdm", "dev-dependencies"):
        lines = requirements(draft, document, "tool", "pdm", "dev-dependencies", name)
        groups[name] = [*groups.get(name, []), *lines]
    return groups


def _default_groups(document: Document, groups: Mapping[str, object]) -> tuple[str, ...]:
    default = toml.table(document.values, "tool", "uv").get("default-groups", [])
    if default == ALL:
        return tuple(name for name in groups if pip_name(name) != DEV)
    names = (
        {pip_name(name) for name in default if isinstance(name, str)} if isinstance(default, list) else set()
    )
    return tuple(name for name in groups if pip_name(name) in names - {DEV})
