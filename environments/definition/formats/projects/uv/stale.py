"""Whether a uv.lock is that of the manifest beside it: the requirements and Pythons that both record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from environments.definition.findings.result import Draft
from environments.definition.formats import toml
from environments.definition.formats.projects.pep621.manifest import Include, Manifest
from environments.definition.formats.projects.pep621.requests import Request
from environments.definition.formats.projects.pep621.sources import Origins, origins
from environments.definition.formats.projects.requested import MOST_REQUESTS
from environments.definition.formats.projects.uv.beside import Beside
from environments.definition.formats.projects.uv.graph import GROUP, LOCAL, extras_in, with_extras
from environments.definition.packages.pythons import NEWEST, OLDEST, Pythons, machine_of
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


_Wishes = dict[_Wish, int]
Versions = Callable[[str], list[str]]
"""The locked versions of a package, by its normalised name."""


def differences(
    draft: Draft, values: Table, package: Table, beside: Beside, versions: Versions
) -> tuple[str, str]:
    """Return how the manifest differs from what the lock was made for, with and without an effect on its packages.

    A changed range that the locked version is in has none: uv would lock the same version again. Both are empty where
    nothing differs, or where the lock does not record its request. Raises ValueError for a bad marker in the lock.
    """
    manifest = beside.manifest
    metadata = toml.table(package, "metadata")
    if not metadata or "dependencies" in manifest.dynamic:
        return "", ""
    pythons = Pythons(
        toml.text(values, "requires-python"), _markers(metadata, manifest), machine_of(draft.platform)
    )
    locked = _summed(_of_lock(metadata, pythons))
    requested = _summed(_of_manifest(draft, beside, pythons))
    if "optional-dependencies" in manifest.dynamic:
        locked = {
            wish: where for wish, where in locked.items() if not wish.part or wish.part.startswith(GROUP)
        }
    stale: list[str] = []
    harmless: list[str] = []
    for name, (now, then) in sorted(_by_name(requested, locked).items()):
        if now != then:
            (harmless if _fits(now, then, versions(name)) else stale).append(_difference(name, now, then))
    return _shown(stale), _shown(harmless)


def _by_name(requested: _Wishes, locked: _Wishes) -> dict[str, tuple[_Wishes, _Wishes]]:
    result: dict[str, tuple[_Wishes, _Wishes]] = {}
    for side, wishes in enumerate((requested, locked)):
        for wish, where in wishes.items():
            result.setdefault(wish.name, ({}, {}))[side][wish] = where
    return result


def _fits(now: _Wishes, then: _Wishes, versions: list[str]) -> bool:
    """Return whether only ranges of versions have changed, and the locked versions are in the new ranges."""
    if _unranged(now) != _unranged(then):
        return False
    try:
        ranges = [SpecifierSet(wish.specifier) for wish in now if wish not in then]
        return all(part.contains(version, prereleases=True) for part in ranges for version in versions)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _unranged(wishes: _Wishes) -> _Wishes:
    return _summed((replace(wish, specifier=""), where) for wish, where in wishes.items())


def _difference(name: str, now: _Wishes, then: _Wishes) -> str:
    new = sorted({str(wish) for wish, where in now.items() if then.get(wish) != where})
    old = sorted({str(wish) for wish, where in then.items() if now.get(wish) != where})
    if new == old:
        return f"{name} is requested for other Pythons or parts of the project"
    return f"it requests {' and '.join(new) or f'no {name}'}, the lock is for {' and '.join(old) or f'no {name}'}"


def _shown(parts: list[str]) -> str:
    more = len(parts) - _SHOWN
    return "; ".join(parts[:_SHOWN])[:600] + (f"; and {more} more" if more > 0 else "")


def _summed(wishes: Iterable[tuple[_Wish, int]]) -> _Wishes:
    result: _Wishes = {}
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
