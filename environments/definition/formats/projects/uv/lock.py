"""uv.lock: exactly the packages, files and hashes of the project's default or chosen parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from environments.definition.findings.result import Draft, Offers, Refused
from environments.definition.formats import toml
from environments.definition.formats.platforms import meant_by, note_uncovered
from environments.definition.formats.projects.pep621.manifest import (
    resolve_python,
)
from environments.definition.formats.projects.uv.beside import Beside, manifest_beside
from environments.definition.formats.projects.uv.graph import GROUP, LOCAL, Graph, Node
from environments.definition.formats.projects.uv.packages import Lines
from environments.definition.formats.projects.uv.stale import differences, lock_pythons
from environments.definition.formats.selection import note_parts, selected
from environments.definition.formats.source import Source
from environments.definition.packages.pythons import Pythons, machine_of
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Document, Table, header_lines

FORMAT = "uv-lock"
FILE_NAME = "uv.lock"
_OF_SCRIPT = ".py.lock"
_NEWEST_FORMAT = 1
_MOST_VERSIONS = 100
_SOURCE = re.compile(r"(?m)^source = \{ (?:registry|virtual|editable|directory|git|url|path) =")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,200}[A-Za-z0-9])?")
_WHOLE: Table = {"name": "-", "source": {"virtual": ""}}


def recognised(text: str, filename: str) -> bool:
    """Whether the text is a lock of uv."""
    name = filename.rpartition("/")[2].lower()
    return (
        name == FILE_NAME
        or name.endswith(_OF_SCRIPT)
        or ("[[package]]" in text and _SOURCE.search(text) is not None)
    )


def read(draft: Draft, text: str, source: Source) -> None:
    """Read what uv would install of the lock: the project's own packages, with the extras and groups that are selected."""
    draft.locked = True
    document = toml.document(draft, text)
    packages = _packages(draft, document, list(header_lines(text, "package")))
    of_script = source.path.lower().endswith(_OF_SCRIPT)
    beside = None if of_script else manifest_beside(draft, source)
    lock = _Lock(draft, document, packages, beside)
    root = lock.root()
    selected(draft, lock.offers(root))
    if draft.refused:
        return
    try:
        lock.check(root)
        _take(draft, lock, lock.roots(root))
    except ValueError as error:
        at = Placed("", 1, None, draft.file)
        raise draft.refuse(
            "wrong-shape", at, what="marker", expected="a marker (PEP 508)", found=str(error)
        ) from error
    note_parts(draft, lock.name(root), Placed("", 1, None, draft.file))


def _take(draft: Draft, lock: _Lock, roots: list[Node]) -> None:
    reached = lock.graph.walk(roots)
    lines = Lines(draft, lock.graph, lock.lines)
    lines.take(reached, lock.graph.requested(roots))
    if not draft.packages and not draft.refused:
        raise draft.refuse("project-empty", Placed("", 1, None, draft.file), what=lock.name(roots[0][0]))


class _Lock:
    """A uv.lock with the manifest beside it."""

    def __init__(
        self, draft: Draft, document: Document, packages: list[Table], beside: Beside | None
    ) -> None:
        self.draft, self.values, self.beside = draft, document.values, beside
        self.lines = list(header_lines(document.text, "package"))
        self.manifest = toml.table(self.values, "manifest")
        # A script's requirements, and the groups of a workspace without a project, belong to no package of the lock.
        whole = _WHOLE | {
            "dependencies": toml.items(self.manifest, "requirements"),
            "dev-dependencies": toml.table(self.manifest, "dependency-groups"),
        }
        self.draft.requires_python = toml.text(self.values, "requires-python")
        supported = [text for text in toml.items(self.values, "supported-markers") if isinstance(text, str)]
        pythons = Pythons(
            draft.requires_python,
            {*supported, *_markers(packages), *_markers([whole])},
            machine_of(draft.platform),
        )
        self.supported = supported
        self.graph = Graph(
            [*packages, whole], pythons, conflicting=bool(toml.items(self.values, "conflicts"))
        )
        self.whole = len(packages)

    def root(self) -> int:
        """The package of the lock that is the project; the workspace as a whole where it has none of its own."""
        local = [number for number in range(self.whole) if self.graph.is_local(number)]
        name = pip_name(self.beside.manifest.name) if self.beside else ""
        if name:
            root = next(
                (number for number in local if pip_name(self.graph.packages[number]["name"]) == name), None
            )
            if root is None:
                why = f"it has no package named {name}"
                raise self.stale(why, self.beside.at("project", "name") if self.beside else None)
            return root
        here = [number for number in local if self._path(number) == "."]
        if here and not (self.beside and not name):
            return here[0]
        return local[0] if len(local) == 1 and not self.beside and not self._whole_requests() else self.whole

    def _whole_requests(self) -> bool:
        whole = self.graph.packages[self.whole]
        return bool(whole["dependencies"] or whole["dev-dependencies"])

    def _path(self, number: int) -> str:
        source = toml.table(self.graph.packages[number], "source")
        return next((str(source[key]) for key in LOCAL if key in source), "")

    def name(self, number: int) -> str:
        """The project's name for messages."""
        return "the workspace" if number == self.whole else str(self.graph.packages[number]["name"])

    def offers(self, root: int) -> Offers:
        """The extras and groups of the project: those of its manifest, else those of the lock."""
        if self.beside is not None:
            return self.beside.manifest.offers
        package = self.graph.packages[root]
        metadata = toml.table(package, "metadata")
        provided = [extra for extra in toml.items(metadata, "provides-extras") if isinstance(extra, str)]
        extras = dict.fromkeys((*provided, *toml.table(package, "optional-dependencies")))
        groups = dict.fromkeys(
            (*toml.table(metadata, "requires-dev"), *toml.table(package, "dev-dependencies"))
        )
        return Offers(extras=tuple(extras), groups=tuple(groups))

    def roots(self, root: int) -> list[Node]:
        """The project with its chosen parts; all members of a workspace whose root requests nothing."""
        chosen = self.draft.selection
        parts = [*map(pip_name, chosen.extras), *(GROUP + pip_name(group) for group in chosen.groups)]
        roots: list[Node] = [(root, ""), *((root, part) for part in parts)]
        requested = any(self.graph.edges(node) for node in roots)
        if requested and root != self.whole:
            return roots
        members = self._members()
        if not requested and (len(members) > 1 or root == self.whole):
            at = Placed("", 1, None, self.draft.file)
            members = members or [(number, "") for number in range(self.whole)]
            self.draft.note("workspace-read", at, what=self.name(root), count=len(members))
        return [*roots, *members]

    def _members(self) -> list[Node]:
        names = {pip_name(name) for name in toml.items(self.manifest, "members") if isinstance(name, str)}
        local = [number for number in range(self.whole) if self.graph.is_local(number)]
        members = [number for number in local if pip_name(self.graph.packages[number]["name"]) in names]
        return [(number, "") for number in members or local]

    def check(self, root: int) -> None:
        """Refuse a lock that is outdated, that leaves Linux out, or whose chosen parts exclude one another."""
        covered = [self.graph.pythons.where(marker) for marker in self.supported]
        if covered and not any(covered):
            at = Placed("", 1, None, self.draft.file)
            note_uncovered(self.draft, FILE_NAME, at, meant_by(self.supported))
        self._check_conflicts(root)
        if self.beside is None:
            if self.draft.requires_python:
                self.draft.note("project-python", None, what=self.draft.requires_python)
            return
        self._check_pythons(self.beside)
        package = self.graph.packages[root]
        why, harmless = differences(self.draft, self.values, package, self.beside, self.graph.versions)
        at = self.beside.at("project", "dependencies")
        if why:
            self.stale(why, at)
        elif harmless:
            self.draft.note("lock-behind", at, lock=FILE_NAME, manifest="pyproject.toml", why=harmless)

    def _check_pythons(self, beside: Beside) -> None:
        """Say where the lock is for other Pythons than the project; those of both can be installed."""
        locked = toml.text(self.values, "requires-python")
        resolve_python(self.draft, beside.manifest)
        same, overlapping = lock_pythons(self.values, beside.manifest)
        at = beside.at("project", "requires-python")
        if not overlapping:
            what = f"Python {beside.manifest.requires_python}: it is for {locked}"
            self.draft.note("lock-uncovered", at, lock=FILE_NAME, what=what)
        elif not same:
            self.draft.note(
                "lock-pythons",
                at,
                lock=FILE_NAME,
                locked=locked,
                project=str(beside.manifest.requires_python),
            )
        parts = dict.fromkeys(filter(None, (locked, "" if same else self.draft.requires_python)))
        self.draft.requires_python = ", ".join(parts)

    def stale(self, why: str, at: Placed | None) -> Refused:
        """Add the finding that the lock is not that of its manifest."""
        return self.draft.refuse(
            "lock-stale", at, lock=FILE_NAME, manifest="pyproject.toml", why=why, command="uv lock"
        )

    def _check_conflicts(self, root: int) -> None:
        name = pip_name(self.graph.packages[root]["name"])
        chosen = self.draft.selection
        for conflict in toml.items(self.values, "conflicts"):
            items = (
                [item for item in conflict if isinstance(item, Mapping)] if isinstance(conflict, list) else []
            )
            both = [
                part
                for item in items
                if pip_name(toml.text(item, "package")) == name
                for part, parts in ((item.get("extra"), chosen.extras), (item.get("group"), chosen.groups))
                if isinstance(part, str) and pip_name(part) in map(pip_name, parts)
            ]
            if len(both) > 1:
                self.draft.note("selection-conflict", None, what=" and ".join(both))


def _packages(draft: Draft, document: Document, lines: list[int]) -> list[Table]:
    version = document.values.get("version")
    if isinstance(version, int) and version > _NEWEST_FORMAT:
        what = f"a uv.lock of format {version}, and only {_NEWEST_FORMAT} can be read"
        help = "Write it with an older uv, or give the file that `uv export` writes."
        raise draft.refuse("not-a-definition", Placed("", 1), what=what, help=help)
    packages = toml.items(document.values, "package")
    if not packages:
        raise draft.refuse("empty-lock", Placed("", 1))
    counts: Counter[str] = Counter()
    for number, package in enumerate(packages):
        at = Placed("", lines[number] if number < len(lines) else 1, 1, draft.file)
        name = package.get("name") if isinstance(package, Mapping) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise draft.refuse("missing-key", at, what="the name of a package")
        counts[name] += 1
        if counts[name] > _MOST_VERSIONS:
            size, limit = f"{counts[name]} versions", str(_MOST_VERSIONS)
            raise draft.refuse("too-large", at, what=f"the list of {name}", size=size, limit=limit)
    return packages


def _markers(packages: list[Table]) -> Iterator[str]:
    for package in packages:
        lists: list[Any] = [package.get("dependencies")]
        for parts in ("optional-dependencies", "dev-dependencies"):
            lists += toml.table(package, parts).values()
        for entries in lists:
            for entry in entries if isinstance(entries, list) else ():
                marker = entry.get("marker") if isinstance(entry, Mapping) else None
                if isinstance(marker, str):
                    yield marker
        yield from (text for text in toml.items(package, "resolution-markers") if isinstance(text, str))
