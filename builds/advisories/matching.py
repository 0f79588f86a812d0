"""Whether an advisory affects a version: by its lists of versions and by the events of its ranges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from builds.advisories.ordering import order, public, smallest_first
from builds.models import Advisory, AffectedPackage
from environments.definition.packages.specs import pip_name

MOST_FIXES = 20
AT_ONCE = 500  # names in a query


@dataclass(frozen=True, slots=True)
class Affected:
    """A package that a record affects. The events of a range are pairs of kind and version."""

    ecosystem: str  # pypi, conda, debian
    name: str  # normalised
    release: str = ""  # debian:12; empty for every release
    ranges: tuple[tuple[tuple[str, str], ...], ...] = ()
    versions: frozenset[str] = field(default_factory=frozenset)

    def affects(self, version: str) -> bool:
        """Whether it affects a version: one of its list, or in one of its ranges."""
        if not self.versions.isdisjoint({version, public(version, self.ecosystem)}):
            return True
        key = order(version, self.ecosystem)
        if key is None:
            return False
        if self.ecosystem == "pypi" and any(_same(listed, key) for listed in self.versions):
            return True
        return any(in_range(events, version, self.ecosystem) for events in self.ranges)

    @property
    def fixes(self) -> set[str]:
        """The versions that its ranges name as fixed."""
        return {version for events in self.ranges for kind, version in events if kind == "fixed"}


def _same(listed: str, key: Any) -> bool:
    other = order(listed, "pypi")
    return other is not None and (other == key or str(other) == key.public)


def in_range(events: Sequence[tuple[str, str]], version: str, ecosystem: str) -> bool:
    """Whether a version is affected by OSV's rules; a range with an event that is no version affects none."""
    bounds = [(kind, text, order(text, ecosystem)) for kind, text in events if text not in ("0", "*")]
    if any(key is None for _, _, key in bounds):
        return False
    local, plain = order(version, ecosystem), order(public(version, ecosystem), ecosystem)

    def reached(key: Any) -> bool:
        return bool((local if getattr(key, "local", None) else plain) >= key)

    limits = [key for kind, _, key in bounds if kind == "limit"]
    unlimited = not limits or any(event == ("limit", "*") for event in events)
    if not unlimited and all(reached(key) for key in limits):
        return False
    affected = any(kind == "introduced" and text == "0" for kind, text in events)
    for kind, _, key in sorted(bounds, key=lambda bound: bound[2]):
        if kind == "introduced" and reached(key):
            affected = True
        elif (kind == "fixed" and reached(key)) or (
            kind == "last_affected" and reached(key) and plain != key
        ):
            affected = False
    return affected


def fixed_in(affected: Iterable[Affected], version: str, ecosystem: str) -> list[str]:
    """Return the newer versions that fix what affects a version, smallest first: none that is affected itself."""
    entries = list(affected)
    here = order(version, ecosystem)
    fixes: set[str] = set().union(*(entry.fixes for entry in entries)) if entries else set()
    newer = {fix for fix in fixes if (key := order(fix, ecosystem)) is not None and key > here}
    result = smallest_first(newer, ecosystem)
    return [fix for fix in result if not any(entry.affects(fix) for entry in entries)][:MOST_FIXES]


def match(
    ecosystem: str, name: str, version: str, release: str = "", distributions: Iterable[str] = ()
) -> list[tuple[Advisory, list[str]]]:
    """Return the advisories that affect a version of a package, with the versions that fix each, by key.

    A package needs no row. `distributions` are those in a conda package, as name==version; `release` is that of
    a debian package, such as debian:12.
    """
    identities = identities_of(ecosystem, name, version, release, distributions)
    hits = hits_of({0: identities}, known_for(identities)).get(0, {})
    advisories = Advisory.objects.in_bulk(hits)
    return sorted(((advisories[pk], fixes) for pk, fixes in hits.items()), key=lambda hit: hit[0].key)


@dataclass(frozen=True, slots=True)
class Identity:
    """What advisories call a package: its own name and version, or those of a distribution in its files."""

    ecosystem: str
    name: str
    version: str
    release: str = ""


def identities_of(
    ecosystem: str, name: str, version: str, release: str = "", distributions: Iterable[str] = ()
) -> list[Identity]:
    """Return the names under which advisories may know a package."""
    normal = name.lower() if ecosystem == "debian" else pip_name(name)
    result = [Identity(ecosystem, normal, version, release)]
    for text in distributions if ecosystem == "conda" else ():
        distribution, _, its_version = text.partition("==")
        result.append(Identity("pypi", pip_name(distribution), its_version))
    return result


Known = dict[tuple[str, str], list[tuple[int, Affected]]]
"""By ecosystem and name: the advisories that may affect it, and how."""


def known_for(identities: Iterable[Identity], advisories: Iterable[int] | None = None) -> Known:
    """Return what is known of these packages, or only what these advisories say."""
    wanted = {(identity.ecosystem, identity.name) for identity in identities}
    names = sorted({name for _, name in wanted})
    rows = AffectedPackage.objects.order_by("pk")
    if advisories is not None:
        rows = rows.filter(record__advisory__in=list(advisories))
    columns = ("record__advisory", "ecosystem", "name", "release", "ranges", "versions")
    result: Known = defaultdict(list)
    for first in range(0, len(names), AT_ONCE):
        for advisory, *row in rows.filter(name__in=names[first : first + AT_ONCE]).values_list(*columns):
            ecosystem, name, release, ranges, versions = row
            if (ecosystem, name) in wanted:
                entry = Affected(ecosystem, name, release, as_ranges(ranges), frozenset(versions))
                result[ecosystem, name].append((advisory, entry))
    return result


def as_ranges(ranges: list[list[list[str]]]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return ranges that were stored as JSON."""
    return tuple(tuple((kind, version) for kind, version in events) for events in ranges)


def hits_of(packages: dict[int, list[Identity]], known: Known) -> dict[int, dict[int, list[str]]]:
    """Return, by package, the advisories that affect it, with the versions that fix each."""
    result: dict[int, dict[int, list[str]]] = {}
    for package, identities in packages.items():
        hits: dict[int, list[str]] = {}
        for identity in identities:
            for advisory, entries in _by_advisory(identity, known).items():
                if any(entry.affects(identity.version) for entry in entries):
                    hits[advisory] = fixed_in(entries, identity.version, identity.ecosystem)
        if hits:
            result[package] = hits
    return result


def _by_advisory(identity: Identity, known: Known) -> dict[int, list[Affected]]:
    result: dict[int, list[Affected]] = defaultdict(list)
    for advisory, entry in known.get((identity.ecosystem, identity.name), ()):
        if not entry.release or entry.release == identity.release:
            result[advisory].append(entry)
    return result
