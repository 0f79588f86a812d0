"""The packages that a poetry project requests: `[tool.poetry]` of poetry 1, `[project]` and `[tool.poetry]` of poetry 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

from environments.definition.findings.result import Draft
from environments.definition.formats.projects.beside import Beside
from environments.definition.formats.projects.poetry.constraints import BadConstraint, specifier
from environments.definition.formats.projects.poetry.dependencies import requested
from environments.definition.formats.projects.requested import Allowance, BadRequest, Requested
from environments.definition.formats.projects.standard_tables import StandardTables, extra_names
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
        if self.is_standard:
            return extra_names(self.beside)
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
        tables = _Tables(self, StandardTables(draft, self.beside))
        parts: list[Callable[[], Iterable[Requested]]] = [tables.main]
        parts += [partial(tables.extra, name) for name in chosen.extras]
        parts += [partial(tables.group, name) for name in chosen.groups]
        everything: dict[Requested, None] = {}
        # A requirement of a standard table is one with each entry of poetry's for the same package.
        allowance = Allowance(draft)
        for part in parts:
            try:
                for each in part():
                    allowance.use(each.at)
                    everything[each] = None
            except Fault as fault:
                at = fault.requested.at
                draft.note("bad-dependency", at, what=fault.requested.name[:80], why=str(fault))
            except BadRequest as error:
                draft.note("bad-dependency", self.beside.at(*_PATH), what="a requirement", why=str(error))
        return list(everything)

    @property
    def is_standard(self) -> bool:
        """Whether the standard table lists the main dependencies and the extras."""
        return bool(self.project.get("dependencies") is not None or self.project.get("optional-dependencies"))


@dataclass
class _Tables:
    """The requirements in a project's tables, for one reading of it."""

    manifest: Manifest
    standard: StandardTables

    def main(self) -> Iterator[Requested]:
        if not self.manifest.is_standard:
            yield from (each for each in self._of_poetry if not each.optional)
            return
        standard = list(self.standard.dependencies())
        if not standard and "dependencies" in items(self.manifest.project, "dynamic"):
            standard = [each for each in self._of_poetry if not each.optional]
        yield from _enriched(standard, self._by_key)

    def extra(self, name: str) -> Iterator[Requested]:
        if self.manifest.is_standard:
            yield from _enriched(self.standard.optional(name), self._by_key)
            return
        listed = items(table(self.manifest.poetry, "extras"), name)
        keys = {pip_name(each) for each in listed if isinstance(each, str)}
        named = [each for key in keys for each in self._by_key.get(key, ())]
        yield from sorted(named, key=self._order.__getitem__)

    def group(self, name: str, within: tuple[str, ...] = ()) -> Iterator[Requested]:
        groups = table(self.manifest.poetry, "group")
        own = self._group_names.get(pip_name(name), [])
        of_poetry = [dependency for each in own for dependency in self._read("group", each, "dependencies")]
        if pip_name(name) == "dev":
            of_poetry += self._read("dev-dependencies")
        standard = list(self.standard.group(name))
        yield from _enriched(standard, by_key(of_poetry)) if standard else of_poetry
        for each in own:
            for included in items(table(groups, each), "include-groups"):
                self.standard.counted(*_PATH, "group", each, "include-groups")
                if not isinstance(included, str) or included in (*within, name) or len(within) > _DEEPEST:
                    raise BadRequest(f"the group {name[:40]} includes itself")
                yield from self.group(included, (*within, name))

    @property
    def _of_poetry(self) -> list[Requested]:
        if isinstance(self._dependencies, Fault):
            raise self._dependencies
        return self._dependencies

    @cached_property
    def _dependencies(self) -> list[Requested] | Fault:
        try:
            return list(self._read("dependencies"))
        except Fault as fault:
            return fault

    @cached_property
    def _by_key(self) -> Mapping[str, list[Requested]]:
        return by_key(self._of_poetry)

    @cached_property
    def _order(self) -> Mapping[Requested, int]:
        return {each: number for number, each in enumerate(self._of_poetry)}

    @cached_property
    def _group_names(self) -> Mapping[str, list[str]]:
        named: dict[str, list[str]] = {}
        for name in table(self.manifest.poetry, "group"):
            named.setdefault(pip_name(name), []).append(name)
        return named

    def _read(self, *path: str) -> Iterator[Requested]:
        for name, entry in table(self.manifest.poetry, *path).items():
            if name.lower() == "python":
                continue
            at = self.standard.counted(*_PATH, *path, name)
            try:
                yield from requested(name, entry, at)
            except BadRequest as error:
                raise Fault(Requested(name, at=at), str(error)) from None


class Fault(BadRequest):
    """A dependency that cannot be read."""

    def __init__(self, requested: Requested, why: str) -> None:
        super().__init__(why)
        self.requested = requested


def _enriched(standard: Iterable[Requested], more: Mapping[str, list[Requested]]) -> Iterator[Requested]:
    """Yield the standard's requirements with what poetry's table adds: a source, a narrower constraint, a marker."""
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
