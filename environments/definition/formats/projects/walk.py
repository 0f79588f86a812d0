"""The walk from what a project requests along its lock's dependencies, over the Pythons that it is for.

Where a lock holds several versions of a name, the requirements that reach it decide between them, Python by Python.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from environments.definition.formats.projects.extra_markers import with_extras
from environments.definition.formats.projects.requested import Requested
from environments.definition.packages.pythons import Pythons, reach
from environments.definition.packages.specs import pip_name

_MOST_VERSIONS = 60
_MOST_COMPARED = 50_000
_ROUNDS = 6
Node = tuple[int, str]
"""An entry of the lock by its number, and one of its extras; empty for the package itself."""


class TooManyVersions(ValueError):
    """A name has so many versions that choosing among them would take too long."""


class Held(Protocol):
    """A package of a lock."""

    @property
    def key(self) -> str:
        """Its normalised name."""

    @property
    def version(self) -> str: ...

    @property
    def python(self) -> str:
        """The Pythons that it is for, as a specifier."""

    @property
    def markers(self) -> Iterable[str]:
        """The markers that decide where it is installed at all."""

    @property
    def direct(self) -> str:
        """The URL that it comes from instead of an index."""

    @property
    def folder(self) -> str:
        """The path in the project that it comes from."""

    @property
    def index_name(self) -> str:
        """The name of the index that it comes from."""


@dataclass
class Lock(ABC):
    """A lock's packages by name, and what they need."""

    entries: Sequence[Held]
    _compared: int = field(default=0, init=False)

    @abstractmethod
    def needed(self, node: Node) -> Iterator[tuple[Requested, frozenset[str]]]:
        """Yield what a package, or an extra of it, needs, and the extras by which to read the markers."""

    @abstractmethod
    def other_extras(self, node: Node) -> Iterable[str]:
        """Yield the other extras of the same package that an extra names: `all = ["lab[plots]"]`."""

    @cached_property
    def by_name(self) -> dict[str, list[int]]:
        """The numbers of the entries of each name, newest first. Raises TooManyVersions."""
        named: dict[str, list[int]] = {}
        for number, entry in enumerate(self.entries):
            named.setdefault(entry.key, []).append(number)
        for name, numbers in named.items():
            if len(numbers) > _MOST_VERSIONS:
                raise TooManyVersions(
                    f"{name[:60]} has {len(numbers)} versions, and {_MOST_VERSIONS} are read"
                )
            numbers.sort(key=lambda number: version_of(self.entries[number].version), reverse=True)
        return named

    def fitting(self, wanted: Requested) -> list[int]:
        """The entries that a requirement allows, newest first. Raises TooManyVersions."""
        specifier = "" if wanted.narrowed else wanted.specifier
        key = (wanted.key, specifier, wanted.index, bool(wanted.url), bool(wanted.folder))
        numbers = self._fitting.get(key)
        if numbers is None:
            candidates = self.by_name.get(wanted.key, [])
            self._compared += len(candidates)
            if self._compared > _MOST_COMPARED:
                raise TooManyVersions("its versions meet more constraints than can be compared")
            numbers = [number for number in candidates if fits(wanted, self.entries[number])]
            self._fitting[key] = numbers
        return numbers

    @cached_property
    def _fitting(self) -> dict[tuple[str, str, str, bool, bool], list[int]]:
        return {}


@dataclass
class Walk:
    """One walk: the roots, the Pythons, and the version of each name that is taken on each of them."""

    lock: Lock
    pythons: Pythons
    roots: list[Requested]
    extras: frozenset[str] = frozenset()
    taken: dict[int, int] = field(default_factory=dict)
    """Where an entry may be taken, of a name with several."""

    def installed(self) -> dict[int, int]:
        """Return where each entry of the lock is installed, by its number."""
        self.taken = {number: self._where_meant(number) for number in self._forked()}
        reached: dict[Node, int] = {}
        for _ in range(_ROUNDS):
            reached = self._reach()
            if not self.taken:
                break
            chosen = self._chosen(reached)
            if chosen == self.taken:
                break
            self.taken = chosen
        whole: dict[int, int] = {}
        for (number, _), where in reached.items():
            whole[number] = whole.get(number, 0) | where
        return whole

    def _forked(self) -> Iterator[int]:
        for numbers in self.lock.by_name.values():
            if len(numbers) > 1:
                yield from numbers

    def _where_meant(self, number: int) -> int:
        """Return the Pythons that an entry is for, by its own word."""
        entry = self.lock.entries[number]
        where = self.pythons.all
        for marker in entry.markers:
            where &= self.where(marker)
        return where & self._of_specifier(entry.python)

    def _of_specifier(self, text: str) -> int:
        try:
            parts = [f'python_full_version {part.operator} "{part.version}"' for part in SpecifierSet(text)]
        except InvalidSpecifier:
            parts = []
        return self.where(" and ".join(parts))

    def where(self, marker: str, extras: frozenset[str] = frozenset()) -> int:
        """Return where a marker holds. Raises ValueError for what is no marker."""
        return self.pythons.where(with_extras(marker, extras))

    def _reach(self) -> dict[Node, int]:
        roots: dict[Node, int] = {}
        for wanted in self.roots:
            for node, where in self._targets(wanted, self.extras):
                roots[node] = roots.get(node, 0) | where
        cache: dict[Node, list[tuple[Node, int]]] = {}

        def needs(node: Node) -> list[tuple[Node, int]]:
            if node not in cache:
                cache[node] = list(self._edges(node))
            return cache[node]

        return reach({node: where for node, where in roots.items() if where}, needs)

    def _edges(self, node: Node) -> Iterator[tuple[Node, int]]:
        for wanted, extras in self.lock.needed(node):
            for target, where in self._targets(wanted, extras):
                if target != node:
                    yield target, where
        for other in self.lock.other_extras(node):
            yield (node[0], other), self.pythons.all

    def _targets(self, wanted: Requested, extras: frozenset[str]) -> Iterator[tuple[Node, int]]:
        """Yield the nodes that a requirement leads to, and where."""
        where = self.where(wanted.marker, extras)
        numbers = self.lock.by_name.get(wanted.key, [])
        if len(numbers) > 1:
            numbers = self.lock.fitting(wanted)
        for number in numbers:
            here = where & self.taken.get(number, where)
            where &= ~here if number in self.taken else where
            for extra in ("", *map(pip_name, wanted.extras)):
                yield (number, extra), here

    def _chosen(self, reached: Mapping[Node, int]) -> dict[int, int]:
        """Return where each of a name's versions is taken: the newest that all who need the name there allow."""
        allowed = {number: self._where_meant(number) for number in self.taken}
        for wanted, where in self._demands(reached):
            numbers = self.lock.by_name.get(wanted.key, [])
            if len(numbers) < 2:
                continue
            fitting = set(self.lock.fitting(wanted))
            narrowed = {number: allowed[number] & ~where for number in numbers if number not in fitting}
            rest = 0
            for number in numbers:
                rest |= narrowed.get(number, allowed[number])
            for number, remaining in narrowed.items():
                # A requirement that would leave nothing decides nothing.
                allowed[number] = remaining | (allowed[number] & ~rest)
        chosen: dict[int, int] = {}
        for numbers in self.lock.by_name.values():
            free = self.pythons.all
            for number in numbers if len(numbers) > 1 else ():
                chosen[number] = allowed[number] & free
                free &= ~allowed[number]
        return chosen

    def _demands(self, reached: Mapping[Node, int]) -> Iterator[tuple[Requested, int]]:
        for wanted in self.roots:
            yield wanted, self.where(wanted.marker, self.extras)
        for node, where in reached.items():
            for wanted, extras in self.lock.needed(node):
                yield wanted, where & self.where(wanted.marker, extras)


def fits(wanted: Requested, entry: Held) -> bool:
    """Whether an entry of the lock is what a requirement requests."""
    if wanted.key != entry.key:
        return False
    if wanted.url or wanted.folder or entry.direct or entry.folder:
        # The origin was decided when it was locked; the versions of such packages are their own.
        same = bool(wanted.folder) == bool(entry.folder) and bool(wanted.url) == bool(entry.direct)
        return same or not (wanted.url or wanted.folder)
    if wanted.index and wanted.index.lower() != entry.index_name.lower():
        return False
    return not wanted.specifier or bool(wanted.narrowed) or _allows(wanted.specifier, entry.version)


def _allows(specifier: str, version: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def version_of(text: str) -> Version:
    """Return a version for comparing; 0 for what is none."""
    try:
        return Version(text)
    except (InvalidVersion, ValueError):
        return Version("0")
