"""The packages of a poetry.lock, in every form that poetry has written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from environments.definition.formats.projects.exact import files_of, sha256_of
from environments.definition.formats.projects.poetry.constraints import BadConstraint, specifier
from environments.definition.formats.projects.requested import repository_url
from environments.definition.formats.toml import items, table, text
from environments.definition.packages.lock_lines import for_linux
from environments.definition.packages.locked import LockedFile
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table

MAIN, DEV = "main", "dev"


@dataclass(slots=True)
class Entry:
    """One package of a lock."""

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
    def optional(self) -> bool:
        """Whether only an extra of the project installs it."""
        return self.table.get("optional") is True

    @property
    def groups(self) -> list[str]:
        """The groups that install it: its `groups` in a new lock, its `category` in an old lock."""
        groups = [pip_name(group) for group in items(self.table, "groups") if isinstance(group, str)]
        return groups or [text(self.table, "category") or MAIN]

    @property
    def python(self) -> str:
        """The Pythons that it is for, as a PEP 440 specifier; empty for any."""
        try:
            return specifier(text(self.table, "python-versions") or "*").specifier
        except BadConstraint:
            return ""

    @property
    def markers(self) -> Iterator[str]:
        """Every marker that decides where it is installed."""
        markers = self.table.get("markers")
        yield text(self.table, "marker")
        if isinstance(markers, dict):
            yield from (marker for marker in markers.values() if isinstance(marker, str))
        elif isinstance(markers, str):
            yield markers

    def marker_of(self, groups: Collection[str]) -> list[str]:
        """The markers by which these groups install it; it is installed where one of them holds."""
        markers = self.table.get("markers")
        if not isinstance(markers, dict):
            return [markers if isinstance(markers, str) else ""]
        by_group = {pip_name(group): marker for group, marker in markers.items() if isinstance(marker, str)}
        return [by_group.get(group, "") for group in self.groups if group in groups]

    @property
    def direct(self) -> str:
        """The URL that it comes from instead of an index; empty for a package of an index."""
        origin = table(self.table, "source")
        url, below = text(origin, "url"), text(origin, "subdirectory")
        if text(origin, "type") == "git":
            revision = text(origin, "resolved_reference") or text(origin, "reference")
            return repository_url("git", url, revision, below)
        if text(origin, "type") != "url":
            return ""
        hashes = [file.sha256 for file in self.files if file.sha256]
        parts = [f"subdirectory={below}"] if below else []
        parts += [f"sha256={hashes[0]}"] if len(hashes) == 1 and "#" not in url else []
        return url + (f"#{'&'.join(parts)}" if parts else "")

    @property
    def folder(self) -> str:
        """The path in the project that it comes from; empty for any other package."""
        origin = table(self.table, "source")
        return text(origin, "url") if text(origin, "type") in ("directory", "file") else ""

    @property
    def index(self) -> str:
        """The URL of its package index; empty for PyPI."""
        origin = table(self.table, "source")
        return text(origin, "url").rstrip("/") if text(origin, "type") == "legacy" else ""

    @property
    def index_name(self) -> str:
        """The name of its package index; empty for PyPI."""
        return text(table(self.table, "source"), "reference") if self.index else ""

    @property
    def needs(self) -> dict[str, Any]:
        """The entries of its dependencies by name."""
        return table(self.table, "dependencies")


def entries(values: Mapping[str, Any], lines: Iterable[int], file: str) -> Iterator[Entry]:
    """Yield the lock's packages, each at its line. What has no name or no version is left to the caller."""
    metadata = table(values, "metadata")
    files, hashes = table(metadata, "files"), table(metadata, "hashes")
    counts: dict[str, int] = {}
    packages = [package for package in items(values, "package") if isinstance(package, dict)]
    for package in packages:
        counts[text(package, "name")] = counts.get(text(package, "name"), 0) + 1
    numbers = iter(lines)
    for package in packages:
        at = Placed("", next(numbers, None), 1, file)
        name, version = text(package, "name"), text(package, "version")
        listed = items(package, "files") or items(files, name)
        named = files_of(listed) or tuple(
            LockedFile("", sha256=sha256_of(each)) for each in items(hashes, name)
        )
        if counts[name] > 1 and not items(package, "files"):
            # The old form lists the files of all versions of a name together.
            named = tuple(file for file in named if _is_of(file.name, version))
        yield Entry(name, version, at, package, for_linux(named))


def _is_of(file: str, version: str) -> bool:
    name, number = file.lower(), f"-{version.lower().replace('-', '_')}"
    return any(number + end in name for end in ("-", ".tar", ".zip", ".tgz")) or not name
