"""The standard tables of a pyproject.toml as pixi takes them: requirements, extras and groups as features, the Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from environments.definition.formats import toml
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.toml import Document, Path, Table

_HEAD = re.compile(r"\s*+([A-Za-z0-9][\w.-]*+)\s*+(?:\[([^\]]*+)\])?")
_DEEPEST = 50
_MOST_LINES = 100_000
"""More requirements than any definition may have, counted over all features."""


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
        self._project: Table = toml.table(document.values, "project")
        self.name = pip_name(toml.text(self._project, "name"))
        self.python = toml.text(self._project, "requires-python").strip()
        self._extras = toml.table(self._project, "optional-dependencies")
        self._groups = toml.table(document.values, "dependency-groups")
        self._keys = {
            **{("extra", pip_name(key)): key for key in self._extras},
            **{("group", pip_name(key)): key for key in self._groups},
        }
        self._left = _MOST_LINES

    @property
    def features(self) -> dict[str, object]:
        """The extras and groups, which are features of the same name."""
        return {**self._extras, **self._groups}

    def requirements(self) -> list[Requirement]:
        """The requirements of the project itself."""
        return list(self._listed(("project", "dependencies"), toml.items(self._project, "dependencies")))

    def feature(self, name: str) -> list[Requirement]:
        """The requirements of the extra and the group of this name."""
        seen: set[tuple[str, str]] = set()
        return [*self._of("extra", name, seen, 0), *self._of("group", name, seen, 0)]

    def of_extra(self, name: str) -> list[Requirement]:
        """The requirements of an extra, with those of the project's other extras that it names."""
        return list(self._of("extra", name, set(), 0))

    def _of(self, kind: str, name: str, seen: set[tuple[str, str]], depth: int) -> Iterator[Requirement]:
        """Yield what an extra or group requires, each of those that it includes once."""
        key = self._keys.get((kind, pip_name(name)))
        if key is None or (kind, key) in seen or depth > _DEEPEST:
            return
        seen.add((kind, key))
        path: Path = (
            ("dependency-groups", key) if kind == "group" else ("project", "optional-dependencies", key)
        )
        for number, item in enumerate(toml.items(self._groups if kind == "group" else self._extras, key)):
            if self._left <= 0:
                return
            included = toml.text(toml.table(item), "include-group") if kind == "group" else ""
            if included:
                yield from self._of("group", included, seen, depth + 1)
            for requirement in self._listed(path, [item], number):
                if self.name and requirement.name == self.name:
                    for extra in requirement.extras:
                        yield from self._of("extra", extra, seen, depth + 1)
                else:
                    yield requirement

    def _listed(self, path: Path, items: list[object], first: int = 0) -> Iterator[Requirement]:
        for number, item in enumerate(items[: self._left], first):
            self._left -= 1
            if isinstance(item, str) and item.strip():
                head = _HEAD.match(item)
                name, extras = (pip_name(head[1]), head[2] or "") if head else ("", "")
                listed = tuple(extra.strip() for extra in extras.split(",") if extra.strip())
                yield Requirement(" ".join(item.split()), name, listed, (*path, number))
