"""pdm.lock: the exact packages of a project and of chosen extras and groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.platforms import KNOWN, note_uncovered
from environments.definition.formats.projects.beside import findings_in, manifest_beside
from environments.definition.formats.projects.checking import check, pythons_of, refusing, report_gaps
from environments.definition.formats.projects.exact import Exact, take_exact
from environments.definition.formats.projects.extra_markers import with_extras
from environments.definition.formats.projects.pdm.entries import DEFAULT, Entry, PdmLock, entries
from environments.definition.formats.projects.pdm.manifest import Manifest
from environments.definition.formats.projects.requested import Requested
from environments.definition.formats.projects.standard_tables import extra_names
from environments.definition.formats.projects.walk import Walk
from environments.definition.formats.selection import choose
from environments.definition.formats.source import Source
from environments.definition.formats.toml import items, table, text
from environments.definition.model import Selection
from environments.definition.packages.pythons import Pythons, machine_of
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table, header_lines

FORMAT = "pdm-lock"
NAME, MANIFEST, RELOCK = "pdm.lock", "pyproject.toml", "pdm lock"
_PACKAGE = re.compile(r"(?m)^\[\[package\]\][ \t]*+\r?$")
_VERSION = re.compile(r"(?m)^lock_version[ \t]*+=")


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a pdm.lock."""
    if filename.rpartition("/")[2].lower() == NAME:
        return True
    return _VERSION.search(text) is not None and (_PACKAGE.search(text) is not None or "content_hash" in text)


def read(draft: Draft, text: str, source: Source) -> None:
    """Read the exact packages of the project and of the chosen extras and groups."""
    draft.locked = True
    values = toml.document(draft, text).values
    listed = list(entries(values, header_lines(text, "package"), draft.file))
    nameless = next((entry for entry in listed if not entry.name), None)
    if nameless is not None:
        raise draft.refuse("missing-key", nameless.at, what="package.name")
    beside = manifest_beside(draft, source, MANIFEST)
    manifest = Manifest(beside) if beside else None
    if manifest is not None and not manifest.lists_dependencies:
        manifest = None
    _Reader(draft, values, listed, manifest).read()


@dataclass
class _Reader:
    draft: Draft
    values: Table
    entries: list[Entry]
    manifest: Manifest | None

    @property
    def locked_groups(self) -> list[str]:
        """The groups that the lock covers; none where it does not say."""
        groups = items(table(self.values, "metadata"), "groups")
        return [group for group in groups if isinstance(group, str)]

    def read(self) -> None:
        draft = self.draft
        chosen = choose(draft, *self.offered(), what="the default group")
        self.check_cover(chosen)
        wanted = self.requested(chosen)
        lock = PdmLock(self.entries)
        markers = {marker for entry in self.entries for marker in entry.markers}
        markers |= {need.marker for entry in self.entries for need in entry.needs}
        markers |= {each.marker for each in wanted or ()}
        requires = self.requires()
        extras = frozenset(map(pip_name, chosen.extras))
        pythons = pythons_of(draft, NAME, requires, {with_extras(marker, extras) for marker in markers})
        with refusing(draft, NAME):
            where = self.where(lock, pythons, chosen, wanted)
            if wanted is not None and self.manifest is not None:
                fresh = self.manifest.is_fresh(text(table(self.values, "metadata"), "content_hash"))
                check(draft, lock, wanted, fresh, (NAME, MANIFEST, RELOCK))
                report_gaps(draft, NAME, Walk(lock, pythons, []), where, wanted)
        draft.requires_python = requires
        take_exact(draft, self.exact(lock, pythons, where, {each.key for each in wanted or ()}))
        if self.manifest is not None:
            draft.pip[:0] = self.manifest.index_lines()

    def offered(self) -> tuple[list[str], list[str]]:
        if self.manifest is not None:
            return extra_names(self.manifest.beside), self.manifest.groups
        return [], [group for group in self.locked_groups if pip_name(group) != DEFAULT]

    def requires(self) -> str:
        """Return the Pythons that the lock is for: those of its target, else the project's."""
        targets = [
            each for each in items(table(self.values, "metadata"), "targets") if isinstance(each, dict)
        ]
        of_linux = [each for each in targets if _is_for(each, self.draft.platform)]
        if targets and not of_linux:
            at = Placed("", None, None, self.draft.file)
            others = [platform for platform in KNOWN if any(_is_for(each, platform) for each in targets)]
            note_uncovered(self.draft, NAME, at, others)
        stated = {text(each, "requires_python") for each in of_linux}
        if len(stated) == 1:
            return stated.pop()
        return text(self.manifest.project, "requires-python") if self.manifest else ""

    def check_cover(self, chosen: Selection) -> None:
        """Refuse to read a group that the project has and its lock has not."""
        covered = {pip_name(group) for group in self.locked_groups}
        kinds = [("extra", name) for name in chosen.extras] + [("group", name) for name in chosen.groups]
        for kind, name in kinds:
            if covered and pip_name(name) not in covered and ":all" not in covered:
                self.draft.note("lock-uncovered", Placed("", 1), lock=NAME, what=f"the {kind} {name[:60]}")

    def requested(self, chosen: Selection) -> list[Requested] | None:
        """Return what the project requests; None without its pyproject.toml."""
        if self.manifest is None:
            return None
        with findings_in(self.draft, self.manifest.beside.file):
            return self.manifest.requested(self.draft, chosen)

    def where(
        self, lock: PdmLock, pythons: Pythons, chosen: Selection, wanted: list[Requested] | None
    ) -> dict[int, int]:
        """Return where each package is installed: by the lock's own groups, else by a walk from the project."""
        extras = frozenset(map(pip_name, chosen.extras))
        groups = {DEFAULT, *map(pip_name, (*chosen.extras, *chosen.groups))}
        if "inherit_metadata" not in items(table(self.values, "metadata"), "strategy"):
            # Without the project everything is installed that the lock holds.
            everything = [Requested(lock.packages[numbers[0]].name) for numbers in lock.by_name.values()]
            roots = everything if wanted is None else wanted
            return Walk(lock, pythons, roots, extras).installed()
        walk = Walk(lock, pythons, [])
        numbers = {(entry.key, entry.version): number for number, entry in enumerate(lock.entries)}
        where: dict[int, int] = {}
        for entry in self.entries:
            if not groups.isdisjoint(entry.groups or [""]):
                number = numbers[entry.key, entry.version]
                where[number] = where.get(number, 0) | walk.where(entry.marker, extras)
        return where

    def exact(
        self, lock: PdmLock, pythons: Pythons, where: dict[int, int], requested: set[str]
    ) -> Iterator[Exact]:
        for number, entry in enumerate(lock.packages):
            if where.get(number):
                yield Exact(
                    entry.name,
                    entry.version,
                    pythons.marker(where[number]),
                    entry.files,
                    entry.direct,
                    entry.folder,
                    requested=entry.key in requested,
                    requires=tuple(need.key for need in entry.needs),
                    at=entry.at,
                )


def _is_for(target: Table, wanted: str) -> bool:
    platform, implementation = text(target, "platform"), text(target, "implementation")
    own = platform.startswith("manylinux") and platform.endswith(machine_of(wanted))
    of_linux = platform in ("", "linux") or own
    return of_linux and implementation in ("", "cpython")
