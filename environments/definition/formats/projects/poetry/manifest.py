"""The packages that a poetry project requests: `[tool.poetry]` of poetry 1, `[project]` and `[tool.poetry]` of poetry 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from environments.definition.findings.result import Draft
from environments.definition.formats.projects import standard_tables
from environments.definition.formats.projects.beside import Beside
from environments.definition.formats.projects.poetry.constraints import BadConstraint, specifier
from environments.definition.formats.projects.poetry.dependencies import requested
from environments.definition.formats.projects.requested import BadRequest, Requested
from environments.definition.formats.toml import items, table, text
from environments.definition.model import Selection
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.toml import Table

_PATH = ("tool", "poetry")
_DEEPEST = 20


@dataclass(frozen=True)
class Manifest:
    """A pyproject.toml, as poetry reads it."""

    beside: Beside

    @property
    def poetry(self) -> Table:
        """The table of poetry."""
        return table(self.beside.values, *_PATH)

    @property
    def project(self) -> Table:
        """The standard table of the project."""
        return table(self.beside.values, "project")

    @property
    def name(self) -> str:
        """The project's name."""
        return text(self.project, "name") or text(self.poetry, "name")

    @property
    def is_poetry_2(self) -> bool:
        """Whether only poetry 2 reads it."""
        return "project" in self.beside.values or "requires-poetry" in self.poetry

    @property
    def lists_dependencies(self) -> bool:
        """Whether it says what the project requests; another build backend may find that out elsewhere."""
        return "dependencies" in self.poetry or "dependencies" in self.project

    @property
    def python(self) -> str:
        """The Pythons that the project is for, as a PEP 440 specifier. Raises BadRequest."""
        written = self.poetry.get("dependencies", {})
        python = text(written, "python") if isinstance(written, dict) else ""
        try:
            return text(self.project, "requires-python") or (specifier(python).specifier if python else "")
        except BadConstraint as error:
            raise BadRequest(str(error)) from None

    @property
    def extras(self) -> list[str]:
        """The names of its extras."""
        if self._is_standard:
            return standard_tables.extra_names(self.beside)
        return list(table(self.poetry, "extras"))

    @property
    def groups(self) -> list[str]:
        """The names of its groups besides the main one."""
        names = [*table(self.beside.values, "dependency-groups"), *table(self.poetry, "group")]
        if "dev-dependencies" in self.poetry:
            names.append("dev")
        by_key: dict[str, str] = {}
        for name in names:
            by_key.setdefault(pip_name(name), name)
        return [name for key, name in by_key.items() if key != "main"]

    def requested(self, draft: Draft, chosen: Selection) -> list[Requested]:
        """Return what the main group and the chosen extras and groups request; faults are findings."""
        parts: list[Callable[[], Iterable[Requested]]] = [lambda: self._main()]
        parts += [lambda name=name: self._extra(name) for name in chosen.extras]  # type: ignore[misc]
        parts += [lambda name=name: self._group(name) for name in chosen.groups]  # type: ignore[misc]
        everything: dict[Requested, None] = {}
        for part in parts:
            try:
                everything.update(dict.fromkeys(part()))
            except Fault as fault:
                at = fault.requested.at
                draft.note("bad-dependency", at, what=fault.requested.name[:80], why=str(fault))
            except BadRequest as error:
                draft.note("bad-dependency", self.beside.at(*_PATH), what="a requirement", why=str(error))
        return list(everything)

    @property
    def _is_standard(self) -> bool:
        return bool(self.project.get("dependencies") is not None or self.project.get("optional-dependencies"))

    def _main(self) -> Iterator[Requested]:
        of_poetry = list(self._table("dependencies"))
        if not self._is_standard:
            yield from (each for each in of_poetry if not each.optional)
            return
        standard = list(standard_tables.dependencies(self.beside))
        if not standard and "dependencies" in items(self.project, "dynamic"):
            standard = [each for each in of_poetry if not each.optional]
        yield from _enriched(standard, of_poetry)

    def _extra(self, name: str) -> Iterator[Requested]:
        of_poetry = list(self._table("dependencies"))
        if self._is_standard:
            yield from _enriched(standard_tables.optional(self.beside, name), of_poetry)
            return
        names = {
            pip_name(each) for each in items(table(self.poetry, "extras"), name) if isinstance(each, str)
        }
        yield from (each for each in of_poetry if each.key in names)

    def _group(self, name: str, within: tuple[str, ...] = ()) -> Iterator[Requested]:
        groups = table(self.poetry, "group")
        own = [each for each in groups if pip_name(each) == pip_name(name)]
        of_poetry = [dependency for each in own for dependency in self._table("group", each, "dependencies")]
        if pip_name(name) == "dev":
            of_poetry += self._table("dev-dependencies")
        standard = list(standard_tables.group(self.beside, name))
        yield from _enriched(standard, of_poetry) if standard else of_poetry
        for each in own:
            for included in items(table(groups, each), "include-groups"):
                if not isinstance(included, str) or included in within or len(within) > _DEEPEST:
                    raise BadRequest(f"the group {name[:40]} includes itself")
                yield from self._group(included, (*within, name, included))

    def _table(self, *path: str) -> Iterator[Requested]:
        for name, entry in table(self.poetry, *path).items():
            if name.lower() == "python":
                continue
            at = self.beside.at(*_PATH, *path, name)
            try:
                yield from requested(name, entry, at)
            except BadRequest as error:
                raise Fault(Requested(name, at=at), str(error)) from None


class Fault(BadRequest):
    """A dependency that cannot be read."""

    def __init__(self, requested: Requested, why: str) -> None:
        super().__init__(why)
        self.requested = requested


def _enriched(standard: Iterable[Requested], of_poetry: Iterable[Requested]) -> Iterator[Requested]:
    """Yield the standard's requirements with what poetry's table adds: a source, a narrower constraint, a marker."""
    more: dict[str, list[Requested]] = {}
    for each in of_poetry:
        more.setdefault(each.key, []).append(each)
    for each in standard:
        if each.key not in more:
            yield each
        for added in more.get(each.key, ()):
            yield replace(
                each,
                specifier=",".join(filter(None, [each.specifier, added.specifier])),
                marker=_and(each.marker, added.marker),
                extras=tuple(sorted({*each.extras, *added.extras})),
                url=each.url or added.url,
                folder=each.folder or added.folder,
                index=added.index,
                narrowed=added.narrowed,
            )


def _and(first: str, second: str) -> str:
    return f"({first}) and ({second})" if first and second else first or second


def by_key(requested: Iterable[Requested]) -> Mapping[str, list[Requested]]:
    """Return requirements by their normalised names."""
    named: dict[str, list[Requested]] = {}
    for each in requested:
        named.setdefault(each.key, []).append(each)
    return named
