"""The graph of a uv.lock: its packages, what each needs, and where that counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from environments.definition.formats import toml
from environments.definition.packages.pythons import Pythons, reach
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.toml import Table

LOCAL = ("editable", "virtual", "directory", "path")
GROUP = "group:"
_EXTRA = re.compile(r"extra\s{0,9}(==|!=)\s{0,9}'([^'\n]{0,999})'")
_ALWAYS, _NEVER = "python_version >= '0'", "python_version < '0'"

# Real locks need a hundredth of it.
_MOST_STEPS = 1_000_000
_MOST_EXTRAS = 20

Node = tuple[int, str]
"""A package by its number in the lock, and one of its extras (or groups); empty for the package itself."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A package that another package needs: which, with which extras, and where."""

    number: int
    extras: tuple[str, ...]
    marker: str
    forks: bool = False
    """Whether the entry means several versions, of which the lock's own forks decide."""


@dataclass(slots=True)
class Graph:
    """The packages of a lock and their needs, for one choice of extras and groups."""

    packages: list[Table]
    pythons: Pythons
    active: set[str] = field(default_factory=set)
    """The names that markers have for the chosen extras and groups that conflict with others."""
    conflicting: bool = False
    by_name: dict[str, list[int]] = field(init=False)
    _edges: dict[Node, list[Edge]] = field(default_factory=dict, init=False)
    _steps: int = field(default=0, init=False)
    _answers: dict[Edge, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.by_name = {}
        for number, package in enumerate(self.packages):
            self.by_name.setdefault(pip_name(package["name"]), []).append(number)

    def walk(self, roots: Iterable[Node]) -> dict[Node, int]:
        """Return where each package and extra is installed, from these roots. Raises ValueError for a bad marker."""
        start = dict.fromkeys(roots, self.pythons.all)
        if self.conflicting:
            # Extras that are reached count in markers too, and which these are, only a first walk shows.
            for number, extra in reach(start, self._needs):
                self.active |= self._in_markers(number, (extra,) if extra else ())
            self._answers.clear()
        return reach(start, self._needs)

    def edges(self, node: Node) -> list[Edge]:
        """The needs of a package, or of one of its extras or groups."""
        edges = self._edges.get(node)
        if edges is None:
            edges = self._edges[node] = list(self._read_edges(*node))
        return edges

    def resolved(self, dependencies: Iterable[Any]) -> Iterator[Edge]:
        """Yield the packages that entries of a list of dependencies mean."""
        for entry in dependencies:
            if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
                extras = tuple(extra for extra in toml.items(entry, "extra") if isinstance(extra, str))
                numbers = self._meant(entry)
                self._count(len(numbers))
                for number in numbers:
                    yield Edge(number, extras, toml.text(entry, "marker"), len(numbers) > 1)

    def versions(self, name: str) -> list[str]:
        """The versions that the lock has of a package."""
        return [toml.text(self.packages[number], "version") for number in self.by_name.get(name, [])]

    def requested(self, roots: Iterable[Node]) -> set[int]:
        """The packages that the roots need themselves."""
        return {edge.number for root in roots for edge in self.edges(root)}

    def parts_of(self, number: int) -> list[str]:
        """The package itself and its extras, as parts of nodes."""
        return ["", *toml.table(self.packages[number], "optional-dependencies")]

    def is_local(self, number: int) -> bool:
        """Whether this is a folder or file of the project."""
        return any(key in toml.table(self.packages[number], "source") for key in LOCAL)

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise ValueError("its packages need more of one another than can be followed")

    def _read_edges(self, number: int, part: str) -> Iterator[Edge]:
        package = self.packages[number]
        if not part:
            yield from self.resolved(toml.items(package, "dependencies"))
        elif part.startswith(GROUP):
            groups = toml.table(package, "dev-dependencies")
            yield from self.resolved(toml.items(groups, part.removeprefix(GROUP)))
        else:
            yield from self.resolved(toml.items(toml.table(package, "optional-dependencies"), part))

    def _meant(self, entry: Mapping[str, Any]) -> list[int]:
        """Return the packages of this name, version and source; what an entry leaves out is unambiguous."""
        numbers = self.by_name.get(pip_name(entry["name"]), [])
        for key in ("version", "source"):
            if len(numbers) > 1 and key in entry:
                numbers = [number for number in numbers if self.packages[number].get(key) == entry[key]]
        return numbers

    def _needs(self, node: Node) -> Iterator[tuple[Node, int]]:
        edges = self.edges(node)
        self._count(len(edges))
        for edge in edges:
            where = self._where(edge)
            if where:
                yield (edge.number, ""), where
                for extra in edge.extras:
                    yield (edge.number, extra), where

    def _where(self, edge: Edge) -> int:
        where = self._answers.get(edge)
        if where is None:
            where = self._answers[edge] = self._evaluated(edge)
        return where

    def _evaluated(self, edge: Edge) -> int:
        marker = edge.marker
        if self.conflicting and "extra" in marker:
            marker = with_extras(marker, self.active, self._in_markers(edge.number, edge.extras))
        where = self.pythons.where(marker)
        if where and edge.forks:
            forks = toml.items(self.packages[edge.number], "resolution-markers")
            markers = [with_extras(fork, self.active) for fork in forks if isinstance(fork, str)]
            where &= reduce(or_, map(self.pythons.where, markers), 0) if markers else where
        return where

    def _in_markers(self, number: int, parts: Iterable[str]) -> set[str]:
        name = pip_name(self.packages[number]["name"])
        return {in_markers(name, part) for part in parts}


def in_markers(name: str, part: str) -> str:
    """Return how markers call an extra or group of a package: `extra-4-demo-cpu`."""
    if part.startswith(GROUP):
        return f"group-{len(name)}-{name}-{pip_name(part.removeprefix(GROUP))}"
    return f"extra-{len(name)}-{name}-{pip_name(part)}"


def extras_in(marker: str) -> list[str]:
    """Return the extras that a marker names. Raises ValueError for more than a few."""
    extras = list(dict.fromkeys(match[2] for match in _EXTRA.finditer(marker)))
    if len(extras) > _MOST_EXTRAS:
        raise ValueError(f"{marker[:80]!r} names more than {_MOST_EXTRAS} extras")
    return extras


def with_extras(marker: str, active: Set[str], more: Set[str] = frozenset()) -> str:
    """Return the marker with what is known of extras put in, which is most of a marker between conflicting extras."""

    def truth(match: re.Match[str]) -> bool:
        return (match[2] in active or match[2] in more) == (match[1] == "==")

    if not marker:
        return marker
    parts = marker.split(" or ")
    if any("(" in part.strip()[1:-1] or part.startswith("(") != part.endswith(")") for part in parts):
        return _EXTRA.sub(lambda match: _ALWAYS if truth(match) else _NEVER, marker)
    kept = []
    for part in parts:
        atoms = part.removeprefix("(").removesuffix(")").split(" and ")
        matches = [(atom, _EXTRA.fullmatch(atom.strip())) for atom in atoms]
        if any(match is not None and not truth(match) for _, match in matches):
            continue
        rest = [atom for atom, match in matches if match is None]
        if not rest:
            return ""
        kept.append(f"({' and '.join(rest)})")
    return " or ".join(kept) or _NEVER
