"""The standard tables of a pyproject.toml as pixi takes them: requirements, extras and groups as features, the Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from environments.definition.formats import toml
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.toml import Document, Path, Table

_HEAD = re.compile(r"\s*+([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*+(?:\[([^\]]*+)\])?")
_MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Requirement:
    """A requirement of the standard tables: its text, its normalised name, its extras, and its place."""

    text: str
    name: str
    extras: tuple[str, ...]
    path: Path


class Standard:
    """The tables `project` and `dependency-groups` of a pyproject.toml."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._project: Table = toml.table(document.values, "project")
        self.name = pip_name(toml.text(self._project, "name"))
        self.python = toml.text(self._project, "requires-python").strip()
        self.features: dict[str, Table] = {
            **toml.table(self._project, "optional-dependencies"),
            **toml.table(document.values, "dependency-groups"),
        }
        """The extras and groups, which are features of the same name."""

    def requirements(self) -> list[Requirement]:
        """The requirements of the project itself."""
        return list(self._listed(("project", "dependencies"), toml.items(self._project, "dependencies")))

    def feature(self, name: str) -> list[Requirement]:
        """The requirements of the extra and the group of this name."""
        return [*self.of_extra(name), *self._group(name, set())]

    def of_extra(self, name: str, seen: set[str] | None = None) -> list[Requirement]:
        """The requirements of an extra, with those of the project's other extras that it names."""
        seen = set() if seen is None else seen
        key = self._key(toml.table(self._project, "optional-dependencies"), name)
        if key is None or key in seen:
            return []
        seen.add(key)
        path: Path = ("project", "optional-dependencies", key)
        items = toml.items(toml.table(self._project, "optional-dependencies"), key)
        return self._unfolded(list(self._listed(path, items)), seen)

    def _unfolded(self, requirements: list[Requirement], seen: set[str]) -> list[Requirement]:
        lines: list[Requirement] = []
        for requirement in requirements:
            if self.name and requirement.name == self.name:
                for extra in requirement.extras:
                    lines += self.of_extra(extra, seen)
            else:
                lines.append(requirement)
        return lines

    def _group(self, name: str, seen: set[str]) -> list[Requirement]:
        groups = toml.table(self._document.values, "dependency-groups")
        key = self._key(groups, name)
        if key is None or key in seen:
            return []
        seen.add(key)
        lines: list[Requirement] = []
        items = toml.items(groups, key)[:_MOST_LINES]
        for number, item in enumerate(items):
            included = toml.text(toml.table(item), "include-group")
            if included:
                lines += self._group(included, seen)
            else:
                lines += self._listed(("dependency-groups", key), [item], number)
        return self._unfolded(lines, set())

    @staticmethod
    def _key(table: Table, name: str) -> str | None:
        return next((key for key in table if pip_name(key) == pip_name(name)), None)

    def _listed(self, path: Path, items: list[object], first: int = 0) -> Iterator[Requirement]:
        for number, item in enumerate(items[:_MOST_LINES], first):
            head = _HEAD.match(item) if isinstance(item, str) else None
            if isinstance(item, str) and item.strip():
                extras = (
                    tuple(extra.strip() for extra in (head[2] or "").split(",") if extra.strip())
                    if head
                    else ()
                )
                yield Requirement(
                    " ".join(item.split()), pip_name(head[1]) if head else "", extras, (*path, number)
                )
