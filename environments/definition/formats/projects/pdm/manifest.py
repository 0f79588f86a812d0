"""The packages that a pdm project requests, and pdm's hash of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from environments.definition.findings.result import Draft
from environments.definition.formats.projects.beside import Beside
from environments.definition.formats.projects.requested import BadRequest, Requested, from_pep508
from environments.definition.formats.projects.standard_tables import StandardTables
from environments.definition.formats.toml import items, table, text
from environments.definition.model import Selection
from environments.definition.packages.lock_lines import PYPI
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table


@dataclass(frozen=True)
class Manifest:
    """A pyproject.toml, as pdm reads it."""

    beside: Beside

    @property
    def pdm(self) -> Table:
        """The table of pdm."""
        return table(self.beside.values, "tool", "pdm")

    @property
    def project(self) -> Table:
        """The standard table of the project."""
        return table(self.beside.values, "project")

    @property
    def lists_dependencies(self) -> bool:
        """Whether it says what the project requests."""
        return "dependencies" in self.project or not items(self.project, "dynamic")

    @property
    def groups(self) -> list[str]:
        """The names of the groups for development."""
        names = [*table(self.beside.values, "dependency-groups"), *table(self.pdm, "dev-dependencies")]
        return list({pip_name(name): name for name in reversed(names)}.values())[::-1]

    def requested(self, draft: Draft, chosen: Selection) -> list[Requested]:
        """Return what the project and the chosen extras and groups request; faults are findings."""
        standard = StandardTables(draft, self.beside)
        named: dict[str, list[str]] = {}
        for name in table(self.pdm, "dev-dependencies"):
            named.setdefault(pip_name(name), []).append(name)
        parts: list[Iterable[Requested]] = [standard.dependencies()]
        parts += [standard.optional(name) for name in chosen.extras]
        for name in chosen.groups:
            parts.append(chain(standard.group(name), self._dev(standard, named.get(pip_name(name), ()))))
        everything: dict[Requested, None] = {}
        for part in parts:
            try:
                everything.update(dict.fromkeys(part))
            except BadRequest as error:
                draft.note("bad-dependency", self.beside.at("project"), what="a requirement", why=str(error))
        return list(everything)

    def index_lines(self) -> Iterator[Placed]:
        """Yield the options of pip's that name the project's package indexes."""
        for number, source in enumerate(items(self.pdm, "source")):
            url = text(source, "url").rstrip("/") if isinstance(source, dict) else ""
            if url and url != PYPI and len(url.split()) == 1:
                option = "--index-url" if text(source, "name") == "pypi" else "--extra-index-url"
                option = "--find-links" if text(source, "type") == "find_links" else option
                yield self.beside.at("tool", "pdm", "source", number).moved(f"{option} {url}")

    def is_fresh(self, content_hash: str) -> bool:
        """Whether a version of pdm computes this hash for the project."""
        kind, _, digest = content_hash.rpartition(":")
        return kind != "sha256" or digest in self._hashes()

    def _dev(self, standard: StandardTables, names: Iterable[str]) -> Iterator[Requested]:
        groups = table(self.pdm, "dev-dependencies")
        for name in names:
            for number, line in enumerate(items(groups, name)):
                at = standard.counted("tool", "pdm", "dev-dependencies", name, number)
                if isinstance(line, str) and line.lstrip().startswith("-e"):
                    path = line.lstrip()[2:].strip()
                    yield Requested(path.rpartition("egg=")[2] or path, folder=path, at=at)
                else:
                    yield from_pep508(line, at)

    def _hashes(self) -> Iterator[str]:
        resolution, project = self.pdm.get("resolution", {}), self.project
        of_pdm = table(self.pdm, "dev-dependencies")
        groups: dict[str, list[Any]] = {}
        for name, listed in (*table(self.beside.values, "dependency-groups").items(), *of_pdm.items()):
            groups.setdefault(pip_name(name), []).extend(listed if isinstance(listed, list) else [])
        common = {
            "sources": self.pdm.get("source", []),
            "dependencies": project.get("dependencies", []),
            "optional-dependencies": project.get("optional-dependencies", {}),
            "requires-python": project.get("requires-python", ""),
        }
        overrides = resolution.get("overrides", {}) if isinstance(resolution, dict) else {}
        for dev in (groups, of_pdm):
            for more in ({"resolution": resolution}, {"overrides": overrides}):
                yield _digest({**common, "dev-dependencies": dev, **more})


def _digest(content: object) -> str:
    try:
        written = json.dumps(content, sort_keys=True, default=_as_text)
    except (ValueError, RecursionError):
        return ""
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
