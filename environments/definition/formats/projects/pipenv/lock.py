"""Pipfile.lock: the exact packages of a Pipenv project's default and chosen categories."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from environments.definition.findings.result import Draft
from environments.definition.formats.projects.beside import Beside, findings_in, manifest_beside
from environments.definition.formats.projects.checking import check, pythons_of, refusing, report_gaps
from environments.definition.formats.projects.exact import Exact, sha256_of, take_exact
from environments.definition.formats.projects.pipenv.pipfile import (
    DEV,
    LOCK,
    NAME,
    Pipfile,
    checked_key,
    origin,
    required_python,
)
from environments.definition.formats.projects.pipenv.sources import Sources, take_sources
from environments.definition.formats.projects.requested import BadRequest, Requested
from environments.definition.formats.projects.walk import Lock, Node, Walk
from environments.definition.formats.selection import choose
from environments.definition.formats.source import Source
from environments.definition.formats.toml import items, table, text
from environments.definition.packages.locked import LockedFile
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table
from environments.definition.syntax.tree import Mapping, Scalar, Sequence, Tree

FORMAT = "pipfile-lock"
RELOCK = "pipenv lock"
_DEFAULT, _DEVELOP = "default", "develop"
_NOT_HASHED = frozenset(("source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv"))


@dataclass(slots=True)
class Entry:
    """One package of one category of a lock."""

    name: str
    version: str
    table: Table
    at: Placed
    direct: str = ""
    folder: str = ""
    python: str = ""

    @property
    def key(self) -> str:
        """Its normalised name."""
        return pip_name(self.name)

    @property
    def markers(self) -> list[str]:
        """Its markers, of which it has at most a single line."""
        return [text(self.table, "markers")] if text(self.table, "markers") else []

    @property
    def index_name(self) -> str:
        """The name of its package index."""
        return text(self.table, "index")

    @property
    def files(self) -> tuple[LockedFile, ...]:
        """The hashes of its files; the lock has no names of files."""
        return tuple(LockedFile("", sha256=sha256_of(each)) for each in items(self.table, "hashes"))


class PipenvLock(Lock):
    """The packages of a Pipfile.lock, which names all of them for each category."""

    def needed(self, node: Node) -> Iterator[tuple[Requested, frozenset[str]]]:
        """Nothing: what a package needs is in its category."""
        yield from ()

    def other_extras(self, node: Node) -> Iterator[str]:
        """Nothing: what an extra needs is in its category."""
        yield from ()


def recognised(tree: Mapping) -> bool:
    """Whether a JSON document is a Pipfile.lock."""
    meta = tree.get("_meta")
    return isinstance(meta, Mapping) and ("pipfile-spec" in meta.entries or _DEFAULT in tree.entries)


def read(draft: Draft, tree: Tree | None, source: Source) -> None:
    """Read the exact packages of the default and of the chosen categories."""
    draft.locked = True
    if not isinstance(tree, Mapping):
        raise draft.refuse("empty-lock", Placed("", 1))
    beside = manifest_beside(draft, source, NAME)
    _Reader(draft, tree, Pipfile(beside) if beside else None).read()


@dataclass
class _Reader:
    draft: Draft
    tree: Mapping
    pipfile: Pipfile | None
    entries: list[Entry] = field(default_factory=list)

    def read(self) -> None:
        draft = self.draft
        categories = [name for name, value in self.tree.entries.items() if isinstance(value, Mapping)]
        offered = [
            DEV if name == _DEVELOP else name for name in categories if name not in ("_meta", _DEFAULT)
        ]
        chosen = choose(draft, (), offered, what="the default category")
        for category in [_DEFAULT, *(_DEVELOP if name == DEV else name for name in chosen.groups)]:
            self.entries += self.entries_of(category)
        meta = _plain(self.tree.get("_meta"))
        requires = required_python(table(meta, "requires")) if isinstance(meta, dict) else ""
        lock = PipenvLock(self.entries)
        wanted = self.requested(chosen.groups)
        markers = {marker for entry in self.entries for marker in entry.markers}
        pythons = pythons_of(draft, LOCK, requires, markers | {each.marker for each in wanted})
        walk = Walk(lock, pythons, [])
        with refusing(draft, LOCK):
            where = {n: self.where(walk, entry) for n, entry in enumerate(self.entries)}
            if self.pipfile is not None:
                check(draft, lock, wanted, self.is_fresh(meta), (LOCK, NAME, RELOCK))
                report_gaps(draft, LOCK, walk, where, wanted)
        draft.requires_python = requires
        sources = self.sources(meta)
        take_exact(draft, self.exact(walk, where, sources, {each.key for each in wanted}))
        take_sources(draft, sources)

    def entries_of(self, category: str) -> Iterator[Entry]:
        section = self.tree.entries.get(category)
        for key, node in section.entries.items() if isinstance(section, Mapping) else ():
            at = Placed("", node.line, node.column, self.draft.file)
            entry = _plain(node)
            try:
                name, _, _ = checked_key(key)
                if not isinstance(entry, dict):
                    raise BadRequest("it is no table")
                direct, folder = origin(entry)
                version = text(entry, "version").strip().lstrip("=").strip()
                if not (direct or folder or version):
                    raise BadRequest("it has neither a version nor an address")
                # Pipenv writes `*` for what the machine that locked does not install.
                yield Entry(name, "" if version == "*" else version, entry, at, direct, folder)
            except BadRequest as error:
                self.draft.note("bad-dependency", at, what=key[:80], why=str(error))

    def where(self, walk: Walk, entry: Entry) -> int:
        """Return where a package is installed: nowhere without a version."""
        stretches = walk.where(text(entry.table, "markers"))
        if entry.version or entry.direct or entry.folder:
            return stretches
        if stretches and self.pipfile is None:
            self.draft.note("lock-gap", entry.at, what=entry.name, lock=LOCK)
        return 0

    def requested(self, groups: tuple[str, ...]) -> list[Requested]:
        """Return what the Pipfile beside the lock requests."""
        if self.pipfile is None:
            return []
        with findings_in(self.draft, self.pipfile.beside.file):
            offered = frozenset(self.pipfile.groups)
            known = [name for name in groups if name in offered]
            return self.pipfile.requested(
                self.draft, self.draft.selection.model_copy(update={"groups": tuple(known)})
            )

    def is_fresh(self, meta: Any) -> bool:
        """Whether a version of Pipenv computes the lock's hash for the Pipfile beside it."""
        fingerprint = text(table(meta, "hash"), "sha256")
        return not (fingerprint and self.pipfile) or fingerprint in _hashes(self.pipfile.beside)

    def sources(self, meta: Any) -> Sources:
        listed = items(meta, "sources") if isinstance(meta, dict) else []
        at = Placed("", self.tree.line, self.tree.column, self.draft.file)
        return Sources.of((source, at) for source in listed if isinstance(source, dict))

    def exact(
        self, walk: Walk, where: dict[int, int], sources: Sources, requested: set[str]
    ) -> Iterator[Exact]:
        seen: set[str] = set()
        for number, entry in enumerate(self.entries):
            if not where[number] or entry.key in seen:
                continue
            same = [n for n in walk.lock.by_name[entry.key] if self.entries[n].version == entry.version]
            stretches = 0
            for each in same:
                stretches |= where[each]
            seen.add(entry.key)
            index = sources.by_name.get(entry.index_name.lower(), "")
            yield Exact(
                entry.name,
                entry.version,
                walk.pythons.marker(stretches),
                entry.files,
                entry.direct,
                entry.folder,
                "" if index == sources.default else index,
                entry.key in requested,
                at=entry.at,
            )


def _hashes(pipfile: Beside) -> Iterator[str]:
    values = pipfile.values
    default = [{"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True}]
    content = {
        "_meta": {"sources": values.get("source", default), "requires": values.get("requires", {})},
        "default": values.get("packages", {}),
        "develop": values.get("dev-packages", {}),
    }
    yield _digest(content)
    more = {name: value for name, value in values.items() if name not in (*_NOT_HASHED, _DEFAULT, _DEVELOP)}
    yield _digest({**content, **more})


def _digest(content: object) -> str:
    try:
        written = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    except (ValueError, RecursionError):
        return ""
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(node: Tree | None) -> Any:
    """Return a part of the document as plain values."""
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.entries.items()}
    if isinstance(node, Sequence):
        return [_plain(item) for item in node.items]
    if isinstance(node, Scalar):
        if node.is_null:
            return None
        return node.truth if node.plain and node.truth is not None else node.text
    return None
