"""The advisories that affect a package, by the rows of what was imported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from builds.advisories.affected import Affected, fixed_in
from builds.models import Advisory, AffectedPackage
from environments.definition.packages.specs import pip_name

AT_ONCE = 500  # names in a query


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
    """The name of a package in advisories: its own name and version, or those of a distribution in its files."""

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
