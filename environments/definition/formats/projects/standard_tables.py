"""The standard tables of a pyproject.toml: dependencies, optional dependencies, dependency groups."""

from __future__ import annotations

from collections.abc import Iterator

from environments.definition.formats.projects.beside import Beside
from environments.definition.formats.projects.requested import BadRequest, Requested, from_pep508
from environments.definition.formats.toml import items, table, text
from environments.definition.packages.specs import pip_name

_DEEPEST = 20


def dependencies(manifest: Beside) -> Iterator[Requested]:
    """Yield what `project.dependencies` requests. Raises BadRequest."""
    project = table(manifest.values, "project")
    for number, requirement in enumerate(items(project, "dependencies")):
        yield from_pep508(requirement, manifest.at("project", "dependencies", number))


def extra_names(manifest: Beside) -> list[str]:
    """Return the names of the optional dependencies."""
    return list(table(manifest.values, "project", "optional-dependencies"))


def optional(manifest: Beside, name: str, within: tuple[str, ...] = ()) -> Iterator[Requested]:
    """Yield what an extra requests, with the other extras of the project that it names. Raises BadRequest."""
    project = table(manifest.values, "project")
    own = pip_name(text(project, "name"))
    extras = table(project, "optional-dependencies")
    by_name = {pip_name(each): each for each in extras}
    for number, requirement in enumerate(items(extras, name)):
        requested = from_pep508(
            requirement, manifest.at("project", "optional-dependencies", name, number), True
        )
        if requested.key != own or not requested.extras:
            yield requested
            continue
        for other in requested.extras:
            whole = by_name.get(pip_name(other))
            if whole is not None and whole not in within and whole != name and len(within) < _DEEPEST:
                yield from optional(manifest, whole, (*within, name))


def group(manifest: Beside, name: str, within: tuple[str, ...] = ()) -> Iterator[Requested]:
    """Yield what a dependency group (PEP 735) requests, with the groups that it includes. Raises BadRequest."""
    groups = table(manifest.values, "dependency-groups")
    by_name = {pip_name(each): each for each in groups}
    whole = by_name.get(pip_name(name), name)
    for number, entry in enumerate(items(groups, whole)):
        if isinstance(entry, str):
            yield from_pep508(entry, manifest.at("dependency-groups", whole, number))
            continue
        included = text(entry, "include-group") if isinstance(entry, dict) else ""
        if not included or pip_name(included) not in by_name:
            raise BadRequest(
                f"the group {name[:40]} includes {included[:40] or 'something'!r}, which is no group"
            )
        if included in within or included == whole or len(within) >= _DEEPEST:
            raise BadRequest(f"the group {name[:40]} includes itself")
        yield from group(manifest, included, (*within, whole))
