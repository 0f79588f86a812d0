"""The requirements of the chosen parts of a project, with self-references and included groups resolved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from packaging.requirements import InvalidRequirement, Requirement

from environments.definition.findings.result import Draft
from environments.definition.formats.projects.pep621.manifest import Include, Manifest
from environments.definition.formats.projects.requested import Allowance
from environments.definition.formats.selection import listed
from environments.definition.model import Selection
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
MOST_OF_A_NAME = 100
"""Sources or overrides of a package: each of its requests is taken with each of them."""


@dataclass(frozen=True, slots=True)
class Request:
    """A requirement as somebody wrote it, the part of the project that it is from, and when that part counts."""

    line: Placed
    extra: str = ""
    group: str = ""
    conditions: tuple[str, ...] = ()
    """The markers of the references that lead to it."""

    @property
    def name(self) -> str:
        """The normalised name of the package; empty where the line names none."""
        match = _NAME.match(self.line)
        return pip_name(match[0]) if match else ""

    def parsed(self) -> Requirement | None:
        """The requirement; None where it is none (a finding of the checks)."""
        return parsed(self.line)


def parsed(line: str) -> Requirement | None:
    """The requirement that a line is; None where it is none."""
    with suppress(InvalidRequirement, RecursionError):
        return Requirement(line)
    return None


def requests(draft: Draft, manifest: Manifest, selection: Selection) -> list[Request]:
    """The requirements of the project itself and of these extras and groups, each once."""
    reader = _Reader(draft, manifest)
    reader.take(Request(line) for line in manifest.dependencies)
    for extra in selection.extras:
        reader.take(Request(line, extra=extra) for line in manifest.extras[extra])
    for group in selection.groups:
        reader.take_group(group, ())
    return list(reader.taken)


@dataclass(slots=True)
class _Reader:
    draft: Draft
    manifest: Manifest
    taken: dict[Request, None] = field(default_factory=dict)
    seen: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    extra_names: dict[str, str] = field(init=False)
    group_names: dict[str, str] = field(init=False)
    allowance: Allowance = field(init=False)

    def __post_init__(self) -> None:
        self.allowance = Allowance(self.draft)
        self.extra_names = {pip_name(name): name for name in self.manifest.extras}
        self.group_names = {pip_name(name): name for name in self.manifest.groups}

    def take(self, waiting: Iterable[Request]) -> None:
        """Take requirements; those on the project itself are replaced by what its extras request."""
        rest = list(waiting)[::-1]
        while rest:
            request = rest.pop()
            self.allowance.use(request.line)
            if self.manifest.name and request.name == pip_name(self.manifest.name):
                rest += list(self._of_itself(request))[::-1]
            else:
                self.taken[request] = None

    def _of_itself(self, request: Request) -> Iterator[Request]:
        requirement = request.parsed()
        if requirement is None:
            self.taken[request] = None
            return
        marker = (str(requirement.marker),) if requirement.marker else ()
        conditions = tuple(dict.fromkeys((*request.conditions, *marker)))
        for name in sorted(requirement.extras):
            extra = self.extra_names.get(pip_name(name))
            if extra is None:
                self.draft.note("extra-unknown", request.line, what=name)
            elif (extra, conditions) not in self.seen:
                self.seen.add((extra, conditions))
                for line in self.manifest.extras[extra]:
                    yield replace(request, line=line, extra=extra, conditions=conditions)

    def take_group(self, name: str, within: tuple[str, ...]) -> None:
        """Take a group with those that it includes; a group that includes itself is refused (PEP 735)."""
        if name in self.groups:
            return
        for entry in self.manifest.groups[name]:
            if not isinstance(entry, Include):
                self.take([Request(entry, group=(within or (name,))[0])])
                continue
            included = self.group_names.get(pip_name(entry.group))
            if included is None:
                known = listed(self.manifest.groups)
                self.draft.note(
                    "selection-unknown", entry.group, kind="group", what=str(entry.group)[:80], known=known
                )
            elif included in (*within, name) or len(within) > _DEEPEST:
                raise self.draft.refuse("include-loop", entry.group, what=f"the group {included}")
            else:
                self.take_group(included, (*within, name))
        self.groups.add(name)


_DEEPEST = 50
