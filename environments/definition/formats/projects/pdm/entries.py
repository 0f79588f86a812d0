"""The packages of a pdm.lock, and what they and their extras need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from environments.definition.formats.projects.exact import files_of
from environments.definition.formats.projects.requested import (
    BadRequest,
    Requested,
    from_pep508,
    repository_url,
)
from environments.definition.formats.projects.walk import Lock, Node
from environments.definition.formats.toml import items, text
from environments.definition.packages.lock_lines import for_linux
from environments.definition.packages.locked import LockedFile
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table

DEFAULT = "default"
_REPOSITORIES = ("git", "hg", "svn", "bzr")


@dataclass(slots=True)
class Entry:
    """One package of a lock; a package with extras is an entry of its own."""

    name: str
    version: str
    at: Placed
    table: Table = field(repr=False)
    files: tuple[LockedFile, ...] = ()

    @property
    def key(self) -> str:
        """Its normalised name."""
        return pip_name(self.name)

    @property
    def extras(self) -> list[str]:
        """The extras that this entry is for; none for the package itself."""
        return [pip_name(extra) for extra in items(self.table, "extras") if isinstance(extra, str)]

    @property
    def groups(self) -> list[str]:
        """The groups that install it, where the lock says so."""
        return [pip_name(group) for group in items(self.table, "groups") if isinstance(group, str)]

    @property
    def marker(self) -> str:
        """The marker of where it is installed, if the lock has it."""
        return text(self.table, "marker")

    @property
    def markers(self) -> list[str]:
        """Every marker that decides where it is installed."""
        return [self.marker] if self.marker else []

    @property
    def python(self) -> str:
        """The Pythons that it is for, as a specifier."""
        return text(self.table, "requires_python")

    @property
    def direct(self) -> str:
        """The URL that it comes from instead of an index."""
        below = text(self.table, "subdirectory")
        for kind in _REPOSITORIES:
            if repository := text(self.table, kind):
                revision = text(self.table, "revision") or text(self.table, "ref")
                return repository_url(kind, repository, revision, below)
        url = text(self.table, "url")
        return url + (f"#subdirectory={below}" if below and url else "")

    @property
    def folder(self) -> str:
        """The path in the project that it comes from."""
        return text(self.table, "path")

    @property
    def index_name(self) -> str:
        """Nothing: the lock does not say which index a package comes from."""
        return ""

    @property
    def needs(self) -> Iterator[Requested]:
        """The packages that it needs. A need that cannot be read is left out: the lock's own versions decide."""
        for requirement in items(self.table, "dependencies"):
            try:
                yield from_pep508(requirement, self.at)
            except BadRequest:
                continue


def entries(values: Mapping[str, Any], lines: Iterable[int], file: str) -> Iterator[Entry]:
    """Yield the lock's packages, each at its line."""
    numbers = iter(lines)
    for package in items(values, "package"):
        if isinstance(package, dict):
            at = Placed("", next(numbers, None), 1, file)
            files = for_linux(files_of(items(package, "files")))
            yield Entry(text(package, "name"), text(package, "version"), at, package, files)


class PdmLock(Lock):
    """The packages of a pdm.lock, without the entries for extras, whose needs belong to their packages."""

    def __init__(self, listed: Iterable[Entry]) -> None:
        listed = list(listed)
        packages = [entry for entry in listed if not entry.extras]
        known = {(entry.key, entry.version) for entry in packages}
        packages += [entry for entry in listed if entry.extras and (entry.key, entry.version) not in known]
        super().__init__(packages)
        self.packages = packages
        self._needs = {
            (number, ""): [(need, frozenset[str]()) for need in entry.needs]
            for number, entry in enumerate(packages)
        }
        numbers = {(entry.key, entry.version): number for number, entry in enumerate(packages)}
        for entry in listed:
            for extra in entry.extras:
                node = (numbers[entry.key, entry.version], extra)
                needs = self._needs.setdefault(node, [])
                needs += [(need, frozenset((extra,))) for need in entry.needs if need.key != entry.key]

    def needed(self, node: Node) -> Iterator[tuple[Requested, frozenset[str]]]:
        """Yield what a package, or an extra of it, needs."""
        yield from self._needs.get(node, ())

    def other_extras(self, node: Node) -> Iterable[str]:
        """Nothing: an extra that names others lists what they need."""
        return ()
