"""The standard tables of a pyproject.toml: dependencies, optional dependencies, dependency groups."""

from __future__ import annotations

from collections.abc import Iterator

from environments.definition.findings.result import Draft
from environments.definition.formats.projects.beside import Beside
from environments.definition.formats.projects.requested import (
    Allowance,
    BadRequest,
    Requested,
    from_pep508,
)
from environments.definition.formats.toml import items, table, text
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed

_DEEPEST = 20


def extra_names(manifest: Beside) -> list[str]:
    """Return the names of the optional dependencies."""
    return list(table(manifest.values, "project", "optional-dependencies"))


class StandardTables:
    """The requirements in the standard tables, for one reading of a project.

    Groups and extras that include each other may request the same without end: more than `MOST_REQUESTS` are refused.
    """

    def __init__(self, draft: Draft, manifest: Beside) -> None:
        self._allowance = Allowance(draft)
        self._manifest = manifest
        self._project = table(manifest.values, "project")
        self._name = pip_name(text(self._project, "name"))
        self._extras = table(self._project, "optional-dependencies")
        self._extra_names = {pip_name(each): each for each in self._extras}
        self._groups = table(manifest.values, "dependency-groups")
        self._group_names = {pip_name(each): each for each in self._groups}

    def dependencies(self) -> Iterator[Requested]:
        """Yield what `project.dependencies` requests. Raises BadRequest."""
        for number, requirement in enumerate(items(self._project, "dependencies")):
            yield from_pep508(requirement, self.counted("project", "dependencies", number))

    def optional(self, name: str, within: tuple[str, ...] = ()) -> Iterator[Requested]:
        """Yield what an extra requests, with the other extras of the project that it names. Raises BadRequest."""
        for number, requirement in enumerate(items(self._extras, name)):
            at = self.counted("project", "optional-dependencies", name, number)
            requested = from_pep508(requirement, at, True)
            if requested.key != self._name or not requested.extras:
                yield requested
                continue
            for other in requested.extras:
                whole = self._extra_names.get(pip_name(other))
                if whole is not None and whole not in within and whole != name and len(within) < _DEEPEST:
                    yield from self.optional(whole, (*within, name))

    def group(self, name: str, within: tuple[str, ...] = ()) -> Iterator[Requested]:
        """Yield what a dependency group (PEP 735) requests, with the groups that it includes. Raises BadRequest."""
        whole = self._group_names.get(pip_name(name), name)
        for number, entry in enumerate(items(self._groups, whole)):
            at = self.counted("dependency-groups", whole, number)
            if isinstance(entry, str):
                yield from_pep508(entry, at)
                continue
            included = text(entry, "include-group") if isinstance(entry, dict) else ""
            if not included or pip_name(included) not in self._group_names:
                raise BadRequest(
                    f"the group {name[:40]} includes {included[:40] or 'something'!r}, which is no group"
                )
            if included in within or included == whole or len(within) >= _DEEPEST:
                raise BadRequest(f"the group {name[:40]} includes itself")
            yield from self.group(included, (*within, whole))

    def counted(self, *path: str | int) -> Placed:
        """Return the place of a requirement or of an included group. Refuses the project if there are too many."""
        at = self._manifest.at(*path)
        self._allowance.use(at)
        return at
