"""The packages of a uv.lock that are installed, as lines of pip's with their hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, unquote, urlsplit

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.uv.graph import Graph, Node
from environments.definition.packages.lock_lines import (
    PYPI,
    direct_line,
    for_linux,
    index_lines,
    locked_line,
)
from environments.definition.packages.locked import PIP, LockedFile, LockedPackage
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table

_MOST_FILES = 1_000
_VERSION = re.compile(r"[0-9A-Za-z.!+_-]{1,200}")


class Lines:
    """The lines of a lock in the making."""

    def __init__(self, draft: Draft, graph: Graph, lines: list[int]) -> None:
        self._draft, self._graph, self._lines = draft, graph, lines
        self._indexes: dict[str, Placed] = {}
        self._folders: dict[str, Placed] = {}

    def take(self, reached: Mapping[Node, int], requested: set[int]) -> None:
        """Fill the draft with the packages that are reached, in the order of the lock."""
        packages, lines = [], []
        for number in sorted({number for number, _ in reached if number < len(self._lines)}):
            package = self._package(number, reached, number in requested)
            if package is not None:
                packages.append(package)
                lines.append(self._at(number).moved(self._line(number, package)))
        options = [at.moved(line) for url, at in self._indexes.items() for line in index_lines([url])]
        options += [at.moved(f"--find-links {folder}") for folder, at in self._folders.items()]
        self._draft.pip += [*options, *lines]
        self._draft.packages = tuple(packages)

    def _at(self, number: int) -> Placed:
        line = self._lines[number] if number < len(self._lines) else None
        return Placed("", line, 1, self._draft.file)

    def _package(self, number: int, reached: Mapping[Node, int], requested: bool) -> LockedPackage | None:
        table, graph = self._graph.packages[number], self._graph
        name = str(table["name"])
        if graph.is_local(number):
            self._draft.note("project-left-out", self._at(number), what=name)
            return None
        version = toml.text(table, "version")
        if not _VERSION.fullmatch(version):
            raise self._draft.refuse("missing-key", self._at(number), what=f"the version of {name}")
        every = tuple(_files(table))
        if len(every) > _MOST_FILES:
            size, limit = f"{len(every)} files", str(_MOST_FILES)
            raise self._draft.refuse("too-large", self._at(number), what=name, size=size, limit=limit)
        files = for_linux(every)
        if every and not files:
            what = f"{name} {version} on Linux: it lists files for other systems only"
            self._draft.note("lock-uncovered", self._at(number), lock="the lock", what=what)
        first = files[0] if files else LockedFile("")
        edges = [
            edge
            for extra in graph.parts_of(number)
            if (number, extra) in reached
            for edge in graph.edges((number, extra))
        ]
        return LockedPackage(
            name,
            version,
            PIP,
            url=first.url,
            sha256=first.sha256,
            size=first.size,
            requested=requested,
            requires=tuple(dict.fromkeys(str(graph.packages[edge.number]["name"]) for edge in edges)),
            marker=graph.pythons.marker(reached[(number, "")]),
            files=files,
        )

    def _line(self, number: int, package: LockedPackage) -> str:
        source = toml.table(self._graph.packages[number], "source")
        repository, url, registry = (toml.text(source, key) for key in ("git", "url", "registry"))
        if repository:
            return direct_line(package, _git(repository))
        if url:
            return direct_line(package, _address(url, toml.text(source, "subdirectory"), package.sha256))
        if "://" in registry:
            self._on_index(registry.rstrip("/"), package, self._at(number))
        elif registry:
            self._folders.setdefault(" ".join(registry.split()), self._at(number))
        return locked_line(package)

    def _on_index(self, registry: str, package: LockedPackage, at: Placed) -> None:
        self._indexes.setdefault("".join(registry.split()), at)
        if registry != PYPI and not package.sha256:
            # Without hashes the index alone makes sure that it is this file.
            self._draft.package_indexes.setdefault(pip_name(package.name), "".join(registry.split()))


def _files(package: Table) -> Iterator[LockedFile]:
    wheels = [wheel for wheel in toml.items(package, "wheels") if isinstance(wheel, Mapping)]
    sdist = package.get("sdist")
    for file in [*wheels, *([sdist] if isinstance(sdist, Mapping) else [])]:
        url = "".join(toml.text(file, "url").split())
        path = toml.text(file, "path") or toml.text(file, "filename") or unquote(url.partition("#")[0])
        algorithm, _, digest = toml.text(file, "hash").partition(":")
        size = file.get("size")
        yield LockedFile(
            path.rpartition("/")[2],
            url,
            digest if algorithm == "sha256" else "",
            size if isinstance(size, int) else None,
            str(file.get("upload-time") or ""),
        )


def _git(source: str) -> str:
    """Return a repository as pip writes it, at the commit of the lock."""
    try:
        parts = urlsplit("".join(source.split()))
    except ValueError:
        return f"git+{''.join(source.split())}"
    query = parse_qs(parts.query)
    below = query.get("subdirectory", [""])[0]
    commit = f"@{parts.fragment}" if parts.fragment else ""
    return f"git+{parts.scheme}://{parts.netloc}{parts.path}{commit}" + (
        f"#subdirectory={below}" if below else ""
    )


def _address(url: str, below: str, sha256: str) -> str:
    parts = [f"subdirectory={below}"] if below else []
    parts += [f"sha256={sha256}"] if sha256 else []
    return "".join(url.split()).partition("#")[0] + (f"#{'&'.join(parts)}" if parts else "")
