"""Whether a uv.lock is that of the manifest beside it: the requirements and Pythons that both record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.pep621.manifest import Include, Manifest
from environments.definition.formats.projects.pep621.requests import MOST_REQUESTS, Request
from environments.definition.formats.projects.pep621.sources import Origins, origins
from environments.definition.formats.projects.uv.beside import Beside
from environments.definition.formats.projects.uv.graph import GROUP, LOCAL, extras_in, with_extras
from environments.definition.packages.pythons import NEWEST, OLDEST, Pythons
from environments.definition.packages.specs import pip_name
from environments.definition.syntax.text import Placed
from environments.definition.syntax.toml import Table

_SHOWN = 3
_MICROS = 20


@dataclass(frozen=True, slots=True)
class _Wish:
    """A requirement as both files can write it: the part that it is of, and what it asks of which package."""

    part: str
    name: str
    extras: tuple[str, ...]
    specifier: str
    origin: str

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier}{f' from {self.origin}' if self.origin else ''}"


def report_stale(draft: Draft, values: Table, package: Table, beside: Beside) -> str | None:
    """Return why the lock is not that of the manifest; None where it is, or where it does not record its request.

    Raises ValueError for a bad marker in the lock.
    """
    manifest = beside.manifest
    metadata = toml.table(package, "metadata")
    if not metadata or "dependencies" in manifest.dynamic:
        return None
    pythons = Pythons(toml.text(values, "requires-python"), _markers(metadata, manifest))
    locked = _summed(_of_lock(metadata, pythons))
    requested = _summed(_of_manifest(draft, beside, pythons))
    if "optional-dependencies" in manifest.dynamic:
        locked = {
            wish: where for wish, where in locked.items() if not wish.part or wish.part.startswith(GROUP)
        }
    return _difference(requested, locked)


def _difference(requested: Mapping[_Wish, int], locked: Mapping[_Wish, int]) -> str | None:
    new = [wish for wish, where in requested.items() if locked.get(wish) != where]
    old = [wish for wish, where in locked.items() if requested.get(wish) != where]
    names = sorted({wish.name for wish in (*new, *old)})
    if not names:
        return None
    parts = []
    for name in names[:_SHOWN]:
        now = sorted({str(wish) for wish in new if wish.name == name})
        then = sorted({str(wish) for wish in old if wish.name == name})
        if now == then:
            parts.append(f"{name} is requested for other Pythons or parts of the project")
        else:
            parts.append(
                f"it requests {' and '.join(now) or f'no {name}'}, the lock is for {' and '.join(then) or f'no {name}'}"
            )
    more = len(names) - _SHOWN
    return "; ".join(parts)[:600] + (f"; and {more} more" if more > 0 else "")


def _summed(wishes: Iterator[tuple[_Wish, int]]) -> dict[_Wish, int]:
    result: dict[_Wish, int] = {}
    for wish, where in wishes:
        if where:
            result[wish] = result.get(wish, 0) | where
    return result


def _of_lock(metadata: Table, pythons: Pythons) -> Iterator[tuple[_Wish, int]]:
    for entry in toml.items(metadata, "requires-dist"):
        if isinstance(entry, Mapping):
            marker = toml.text(entry, "marker")
            for extra in extras_in(marker) or [""]:
                where = pythons.where(with_extras(marker, {extra}))
                yield _locked_wish(pip_name(extra), entry), where
    for group, entries in toml.table(metadata, "requires-dev").items():
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, Mapping):
                yield _locked_wish(GROUP + pip_name(group), entry), pythons.where(toml.text(entry, "marker"))


def _locked_wish(part: str, entry: Mapping[str, Any]) -> _Wish:
    extras = tuple(sorted(pip_name(extra) for extra in toml.items(entry, "extras") if isinstance(extra, str)))
    repository, url = toml.text(entry, "git"), toml.text(entry, "url")
    origin = ""
    if repository:
        origin = _locked_repository(repository)
    elif url:
        origin = url.partition("#")[0]
    elif any(key in entry for key in LOCAL):
        origin = "a folder"
    specifier = "" if origin else _specifier(toml.text(entry, "specifier"))
    return _Wish(part, pip_name(toml.text(entry, "name")), extras, specifier, origin)


def _locked_repository(source: str) -> str:
    try:
        parts = urlsplit(source)
    except ValueError:
        return source
    query = parse_qs(parts.query)
    revision = next((query[key][0] for key in ("rev", "tag", "branch") if key in query), "")
    return _repository(f"{parts.scheme}://{parts.netloc}{parts.path}", revision)


def _repository(url: str, revision: str) -> str:
    bare = url.removeprefix("git+").rstrip("/")
    return f"{bare}@{revision}" if revision else bare


def _of_manifest(draft: Draft, beside: Beside, pythons: Pythons) -> Iterator[tuple[_Wish, int]]:
    manifest = beside.manifest
    # A draft of its own: what is wrong with the manifest is no matter of the lock.
    sources = origins(Draft(draft.format), beside.document, {}, "")
    requests = [Request(line) for line in manifest.dependencies]
    requests += [Request(line, extra=extra) for extra, lines in manifest.extras.items() for line in lines]
    by_name = {pip_name(name): name for name in manifest.groups}
    for group in manifest.groups:
        requests += [Request(line, group=group) for line in _flat(manifest, by_name, group)]
        if len(requests) > MOST_REQUESTS:
            limit = str(MOST_REQUESTS)
            raise draft.refuse("too-large", beside.at(), what="the project", size="larger", limit=limit)
    for request in requests:
        yield from _wishes(request, sources, pythons)


def _flat(manifest: Manifest, by_name: Mapping[str, str], group: str) -> Iterator[Placed]:
    """Yield the requirements of a group and of those that it includes."""
    seen, waiting = {group}, [group]
    while waiting:
        for entry in manifest.groups[waiting.pop()]:
            if not isinstance(entry, Include):
                yield entry
            elif (included := by_name.get(pip_name(entry.group))) is not None and included not in seen:
                seen.add(included)
                waiting.append(included)


def _wishes(request: Request, sources: Origins, pythons: Pythons) -> Iterator[tuple[_Wish, int]]:
    requirement = request.parsed()
    if requirement is None:  # a finding where the manifest itself is read
        return
    part = GROUP + pip_name(request.group) if request.group else pip_name(request.extra)
    extras = tuple(sorted(map(pip_name, requirement.extras)))
    try:
        rest = pythons.where(str(requirement.marker) if requirement.marker else "")
    except ValueError:
        return
    for origin in sources.by_name.get(request.name, []):
        if origin.counts_for(request) and (origin.local or origin.url):
            try:
                where = pythons.where(origin.marker) & rest
            except ValueError:
                continue
            rest &= ~where
            text = "a folder" if origin.local else _direct(origin.url)
            yield _Wish(part, request.name, extras, "", text), where
    if requirement.url:
        local = requirement.url.startswith((".", "/", "file:"))
        yield _Wish(part, request.name, extras, "", "a folder" if local else _direct(requirement.url)), rest
    else:
        yield _Wish(part, request.name, extras, _specifier(str(requirement.specifier)), ""), rest


def _direct(url: str) -> str:
    bare = url.partition("#")[0]
    if not bare.startswith("git+"):
        return bare
    head, sign, revision = bare.rpartition("@")
    return _repository(head, revision) if sign and "/" in head.partition("://")[2] else _repository(bare, "")


def _specifier(text: str) -> str:
    try:
        return ",".join(sorted(str(part) for part in SpecifierSet(text)))
    except InvalidSpecifier:
        return text


def _markers(metadata: Table, manifest: Manifest) -> Iterator[str]:
    lists = [toml.items(metadata, "requires-dist"), *toml.table(metadata, "requires-dev").values()]
    for entries in lists:
        for entry in entries if isinstance(entries, list) else []:
            yield toml.text(entry, "marker") if isinstance(entry, Mapping) else ""
    yield from (line.partition(";")[2] for line in manifest.dependencies)


def lock_pythons(values: Table, manifest: Manifest) -> tuple[bool, bool]:
    """Return whether lock and project are for the same Pythons, and whether any Python is for both.

    A workspace's lock is for the Pythons of all its members.
    """
    locked, requested = toml.text(values, "requires-python"), str(manifest.requires_python)
    try:
        of_lock, of_project = SpecifierSet(locked), SpecifierSet(requested)
    except InvalidSpecifier:
        return True, True
    alone = len(toml.items(toml.table(values, "manifest"), "members")) < 2
    versions = [f"3.{minor}.{micro}" for minor in range(OLDEST, NEWEST + 1) for micro in range(_MICROS)]
    answers = [(of_lock.contains(version), of_project.contains(version)) for version in versions]
    same = all(inside == wanted or (wanted and not alone) for inside, wanted in answers)
    return same or not (locked and requested), any(inside and wanted for inside, wanted in answers)
