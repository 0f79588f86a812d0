"""poetry.lock: the exact packages of a project's main group and of chosen extras and groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.beside import findings_in, manifest_beside
from environments.definition.formats.projects.checking import check, pythons_of, refusing, report_gaps
from environments.definition.formats.projects.exact import Exact, take_exact
from environments.definition.formats.projects.extra_markers import with_extras
from environments.definition.formats.projects.poetry.constraints import BadConstraint, specifier
from environments.definition.formats.projects.poetry.entries import (
    DEV,
    MAIN,
    Entry,
    entries,
)
from environments.definition.formats.projects.poetry.freshness import is_fresh
from environments.definition.formats.projects.poetry.graph import PoetryLock
from environments.definition.formats.projects.poetry.manifest import Manifest
from environments.definition.formats.projects.requested import Requested
from environments.definition.formats.projects.walk import Walk
from environments.definition.formats.selection import choose
from environments.definition.formats.source import Source
from environments.definition.formats.toml import items, table, text
from environments.definition.model import Selection
from environments.definition.packages.pythons import Pythons
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.toml import Table, header_lines

FORMAT = "poetry-lock"
NAME, MANIFEST, RELOCK = "poetry.lock", "pyproject.toml", "poetry lock"
_PACKAGE = re.compile(r"(?m)^\[\[package\]\][ \t]*+\r?$")
_HASH = re.compile(r"(?m)^content-hash[ \t]*+=")


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a poetry.lock."""
    if filename.rpartition("/")[2].lower() == NAME:
        return True
    return _HASH.search(text) is not None and (_PACKAGE.search(text) is not None or "[metadata]" in text)


def read(draft: Draft, text: str, source: Source) -> None:
    """Read the exact packages of the main group and of the chosen extras and groups."""
    draft.locked = True
    values = toml.document(draft, text).values
    listed = list(entries(values, header_lines(text, "package"), draft.file))
    nameless = next((entry for entry in listed if not entry.name or not entry.version), None)
    if nameless is not None:
        raise draft.refuse("missing-key", nameless.at, what="package.name and package.version")
    beside = manifest_beside(draft, source, MANIFEST)
    manifest = Manifest(beside) if beside else None
    if manifest is not None and not manifest.lists_dependencies:
        manifest = None  # of another build backend, which finds out by itself what the project requests
    _Reader(draft, values, listed, manifest).read()


@dataclass
class _Reader:
    draft: Draft
    values: Table
    entries: list[Entry]
    manifest: Manifest | None

    def read(self) -> None:
        draft = self.draft
        chosen = choose(draft, *self.offered())
        requires = self.requires()
        markers = {marker for entry in self.entries for marker in entry.markers}
        lock = PoetryLock(self.entries)
        wanted = self.requested(chosen)
        markers |= {need.marker for needs in lock.needs for need in needs}
        markers |= {each.marker for each in wanted or ()}
        extras = frozenset(map(pip_name, chosen.extras))
        pythons = pythons_of(draft, NAME, requires, {with_extras(marker, extras) for marker in markers})
        with refusing(draft, NAME):
            if wanted is not None:
                check(draft, lock, wanted, self.is_fresh(), (NAME, MANIFEST, RELOCK))
            where = self.where(lock, pythons, chosen, wanted)
            if wanted is not None:
                report_gaps(draft, NAME, Walk(lock, pythons, []), where, wanted, extras)
        draft.requires_python = requires
        take_exact(draft, self.exact(pythons, where, {each.key for each in wanted or ()}))

    @property
    def has_groups(self) -> bool:
        """Whether the lock itself says which group installs a package where, as from format 2.1 on."""
        return any("groups" in entry.table for entry in self.entries)

    def offered(self) -> tuple[list[str], list[str]]:
        if self.manifest is not None:
            return self.manifest.extras, self.manifest.groups
        groups = {group for entry in self.entries for group in entry.groups}
        return list(table(self.values, "extras")), sorted(groups - {MAIN})

    def requires(self) -> str:
        written = text(table(self.values, "metadata"), "python-versions")
        try:
            return specifier(written or "*").specifier
        except BadConstraint:
            return ""

    def requested(self, chosen: Selection) -> list[Requested] | None:
        """Return what the project requests; None without its pyproject.toml."""
        if self.manifest is None:
            return None
        with findings_in(self.draft, self.manifest.beside.file):
            return self.manifest.requested(self.draft, chosen)

    def is_fresh(self) -> bool:
        fingerprint = text(table(self.values, "metadata"), "content-hash")
        return not (self.manifest and fingerprint) or is_fresh(fingerprint, self.manifest.beside.values)

    def where(
        self, lock: PoetryLock, pythons: Pythons, chosen: Selection, wanted: list[Requested] | None
    ) -> dict[int, int]:
        """Return where each package is installed, by its number in the lock."""
        extras = frozenset(map(pip_name, chosen.extras))
        if self.has_groups:
            groups = {MAIN, *map(pip_name, chosen.groups)}
            walk = Walk(lock, pythons, [])
            installed = {}
            for number, entry in enumerate(self.entries):
                if not groups.isdisjoint(entry.groups):
                    where = 0
                    for marker in entry.marker_of(groups):
                        where |= walk.where(marker, extras)
                    installed[number] = where
            return installed
        roots = wanted if wanted is not None else list(self.by_itself(lock, chosen))
        return Walk(lock, pythons, roots, extras).installed()

    def by_itself(self, lock: PoetryLock, chosen: Selection) -> Iterator[Requested]:
        """Yield the packages that an old lock installs without a pyproject.toml beside it."""
        categories = {MAIN, *((DEV,) if DEV in chosen.groups else ())}
        extras = table(self.values, "extras")
        named = {
            pip_name(name)
            for extra in chosen.extras
            for name in items(extras, extra)
            if isinstance(name, str)
        }
        needed = {need.key for needs in lock.needs for need in needs}
        for numbers in lock.by_name.values():
            first = self.entries[numbers[0]]
            inside = first.key in named or (not first.optional and bool(categories & set(first.groups)))
            if inside and (len(numbers) == 1 or first.key not in needed):
                yield Requested(first.name, marker=text(first.table, "marker"), at=first.at)

    def exact(self, pythons: Pythons, where: dict[int, int], requested: set[str]) -> Iterator[Exact]:
        for number, entry in enumerate(self.entries):
            if not where.get(number):
                continue
            yield Exact(
                entry.name,
                entry.version,
                pythons.marker(where[number]),
                entry.files,
                entry.direct,
                entry.folder,
                entry.index,
                entry.key in requested,
                tuple(map(pip_name, entry.needs)),
                entry.at,
            )
