"""The sources of a project's packages: the indexes, repositories, addresses and folders of [tool.uv.sources]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.pep621.requests import MOST_OF_A_NAME, Request, parsed
from environments.definition.packages.pythons import Pythons, machine_of
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document

_LOCAL = ("path", "workspace", "member")


@dataclass(frozen=True, slots=True)
class Origin:
    """One source of a package, and the part of the project and the machines that it is for."""

    values: Mapping[str, Any]
    at: Placed

    @property
    def marker(self) -> str:
        """The marker of where it counts; empty for everywhere."""
        return toml.text(self.values, "marker")

    def counts_for(self, request: Request) -> bool:
        """Whether it is for the part of the project that the request is from."""
        extra, group = toml.text(self.values, "extra"), toml.text(self.values, "group")
        of_extra = not extra or pip_name(extra) == pip_name(request.extra)
        return of_extra and (not group or pip_name(group) == pip_name(request.group))

    @property
    def local(self) -> bool:
        """Whether it is a folder or file beside the project."""
        return any(self.values.get(key) for key in _LOCAL)

    @property
    def url(self) -> str:
        """The address of a repository or file, as pip writes it; empty where it has none."""
        repository, address = toml.text(self.values, "git"), toml.text(self.values, "url")
        below = toml.text(self.values, "subdirectory")
        tail = f"#subdirectory={below}" if below else ""
        if repository:
            revision = next(
                (text for key in ("rev", "tag", "branch") if (text := toml.text(self.values, key))), ""
            )
            return f"git+{repository.removeprefix('git+')}" + (f"@{revision}" if revision else "") + tail
        return address + tail if address else ""


@dataclass(slots=True)
class Origins:
    """The sources of a project by package, and the indexes that they name."""

    draft: Draft
    requires_python: str
    by_name: dict[str, list[Origin]]
    indexes: Mapping[str, str]
    _pythons: Pythons | None = field(default=None, init=False)

    @property
    def pythons(self) -> Pythons:
        """The Pythons that the markers of the sources tell apart."""
        if self._pythons is None:
            markers = [origin.marker for origins in self.by_name.values() for origin in origins]
            self._pythons = Pythons(self.requires_python, markers, machine_of(self.draft.platform))
        return self._pythons

    def lines(self, request: Request) -> Iterator[Placed]:
        """The lines of pip's for a request; none for what is left out."""
        origins = [origin for origin in self.by_name.get(request.name, []) if origin.counts_for(request)]
        if not origins:
            yield request.line.moved(marked(request.line, request.conditions))
            return
        rest = self.pythons.all
        on_index = 0
        for origin in origins:
            where = self._where(origin) & rest
            rest &= ~where
            if not where:
                continue
            if origin.local:
                self.draft.note("project-left-out", request.line, what=request.name)
            elif origin.url:
                yield self._direct(request, origin.url, where)
            else:
                on_index |= where
                self._hold_to_index(request, origin)
        on_index |= rest
        if on_index:
            conditions = (*request.conditions, self.pythons.marker(on_index))
            yield request.line.moved(marked(request.line, conditions))

    def _where(self, origin: Origin) -> int:
        try:
            return self.pythons.where(origin.marker)
        except ValueError as error:
            self.draft.note(
                "wrong-shape", origin.at, what="marker", expected="a marker (PEP 508)", found=str(error)
            )
            return 0

    def _direct(self, request: Request, url: str, where: int) -> Placed:
        requirement = request.parsed()
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement and requirement.extras else ""
        own = str(requirement.marker) if requirement and requirement.marker else ""
        condition = _joined((own, *request.conditions, self.pythons.marker(where)))
        name = requirement.name if requirement else request.name
        return request.line.moved(f"{name}{extras} @ {url}{condition}")

    def _hold_to_index(self, request: Request, origin: Origin) -> None:
        index = toml.text(origin.values, "index")
        url = self.indexes.get(index)
        if url is None:
            self.draft.note("index-unknown", origin.at, what=request.name, index=index)
        else:
            self.draft.package_indexes.setdefault(request.name, url)


def origins(draft: Draft, document: Document, indexes: Mapping[str, str], requires_python: str) -> Origins:
    """Return the sources in [tool.uv.sources] of a project or script."""
    by_name: dict[str, list[Origin]] = {}
    for name, value in toml.table(document.values, "tool", "uv", "sources").items():
        at = toml.at(draft, document, "tool", "uv", "sources", name)
        for entry in value if isinstance(value, list) else [value]:
            same = by_name.setdefault(pip_name(name), [])
            if len(same) >= MOST_OF_A_NAME:
                limit = str(MOST_OF_A_NAME)
                raise draft.refuse(
                    "too-large", at, what="the list of sources of a package", size="longer", limit=limit
                )
            if isinstance(entry, Mapping):
                same.append(Origin(entry, at))
            else:
                draft.note(
                    "wrong-shape", at, what=f"the source of {name}", expected="a table", found=str(entry)[:80]
                )
    return Origins(draft, requires_python, by_name, indexes)


def marked(line: str, conditions: tuple[str, ...]) -> str:
    """Return a requirement with these markers beside its own; as it was written where there are none."""
    conditions = tuple(filter(None, conditions))
    requirement = parsed(line) if conditions else None
    if requirement is None:
        return line
    own, requirement.marker = requirement.marker, None
    return str(requirement) + _joined((str(own) if own else "", *conditions))


def _joined(markers: tuple[str, ...]) -> str:
    parts = list(dict.fromkeys(filter(None, markers)))
    if len(parts) > 1:
        parts = [f"({part})" if " or " in part else part for part in parts]
    return f" ; {' and '.join(parts)}" if parts else ""
