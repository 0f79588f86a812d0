"""The graph of a poetry.lock: what its packages and their extras need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from environments.definition.formats.projects.poetry.dependencies import requested
from environments.definition.formats.projects.poetry.entries import Entry
from environments.definition.formats.projects.requested import BadRequest, Requested
from environments.definition.formats.projects.walk import Lock, Node
from environments.definition.formats.toml import items, table
from environments.definition.packages.specs import pip_name


@dataclass
class PoetryLock(Lock):
    """The packages of a poetry.lock."""

    entries: list[Entry]

    @cached_property
    def needs(self) -> list[list[Requested]]:
        """The packages that each entry needs."""
        return [list(_needed(entry)) for entry in self.entries]

    def needed(self, node: Node) -> Iterator[tuple[Requested, frozenset[str]]]:
        """Yield what a package, or an extra of it, needs: an extra has the optional ones that it names."""
        number, extra = node
        names = {_first_name(each) for each in self._listed(node)}
        for wanted in self.needs[number]:
            of_extra = wanted.optional or "extra" in wanted.marker
            if not extra and not of_extra:
                yield wanted, frozenset()
            elif extra and of_extra and (wanted.key in names or "extra" in wanted.marker):
                yield wanted, frozenset((extra,))

    def other_extras(self, node: Node) -> Iterator[str]:
        """Yield the other extras of the same package that an extra names."""
        for each in self._listed(node):
            if "[" in each and _first_name(each) == self.entries[node[0]].key:
                inside = each.partition("[")[2].partition("]")[0]
                yield from (pip_name(name.strip()) for name in inside.split(",") if name.strip())

    def _listed(self, node: Node) -> list[str]:
        number, extra = node
        if not extra:
            return []
        extras = table(self.entries[number].table, "extras")
        by_key = {pip_name(name): name for name in extras}
        return [each for each in items(extras, by_key.get(extra, extra)) if isinstance(each, str)]


def _needed(entry: Entry) -> Iterator[Requested]:
    for name, need in entry.needs.items():
        try:
            yield from requested(name, need, entry.at)
        except BadRequest:
            yield from _named(name, need)


def _named(name: str, need: object) -> Iterable[Requested]:
    """Return a need whose constraint cannot be read: the lock holds a version of it all the same."""
    marker = need.get("markers") if isinstance(need, dict) else ""
    return [Requested(name, marker=marker if isinstance(marker, str) else "")]


def _first_name(requirement: str) -> str:
    for end, character in enumerate(requirement):
        if not (character.isalnum() or character in "._-"):
            return pip_name(requirement[:end])
    return pip_name(requirement)
