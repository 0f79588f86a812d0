"""The matches of a search: the versions of each environment on a page, and the packages in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from builds.images.packages import matching, visible_images
from builds.models import ImagePackage
from builds.search.conditions import Entries, Person, matching_entries, matching_requests
from builds.search.query import SearchQuery
from environments.models import Workspace

MOST_VERSIONS = 2_000  # of the environments on a page
MOST_OLDER = 20  # environments whose older versions match


@dataclass(frozen=True)
class Hit:
    """A version that matches."""

    pk: int
    environment: int
    name: str
    version: str
    hash: str
    latest: bool


@dataclass
class PackageMatch:
    """A package that matches, and the versions that have it; `requested` where these are not built."""

    text: str
    requested: bool
    name: str
    versions: list[str] = field(default_factory=list)


@dataclass
class Matches:
    """The versions of an environment that match, newest first, and the packages for which they do."""

    hits: list[Hit] = field(default_factory=list)
    packages: list[PackageMatch] = field(default_factory=list)

    @property
    def older(self) -> list[Hit]:
        """The matching versions that are not the latest."""
        return [hit for hit in self.hits if not hit.latest]

    @property
    def in_latest(self) -> bool:
        """Whether the latest version matches."""
        return any(hit.latest for hit in self.hits)


def hits_in(entries: Entries, most: int = MOST_VERSIONS) -> list[Hit]:
    """Return entries as hits, the newest version of each environment first."""
    rows = entries.order_by("environment__name", "-number").values_list(
        "pk", "environment_id", "environment__name", "version__version", "hash", "latest"
    )
    return [Hit(*row) for row in rows[:most]]


def matches_on(
    entries: Entries, environments: Iterable[int], query: SearchQuery, workspace: Workspace, user: Person
) -> dict[int, Matches]:
    """Return what matches in each of these environments, in as many queries as the search names packages."""
    here = matching_entries(entries.filter(environment__in=list(environments)), query, workspace, user)
    hits = hits_in(here)
    result: dict[int, Matches] = defaultdict(Matches)
    for hit in hits:
        result[hit.environment].hits.append(hit)
    if query.packages and hits:
        for (environment, *_), match in _packages(hits, query, workspace).items():
            result[environment].packages.append(match)
    return result


def _packages(
    hits: list[Hit], query: SearchQuery, workspace: Workspace
) -> dict[tuple[int, str, bool], PackageMatch]:
    """Return the packages of hits, by environment, text and whether they are only requested."""
    hashes = {hit.hash for hit in hits}
    images = visible_images([workspace]).filter(hash__in=hashes)
    built = set(images.values_list("hash", flat=True))
    unbuilt = [hit.pk for hit in hits if hit.hash not in built]
    held: dict[str, set[tuple[str, str]]] = defaultdict(set)
    requested: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for constraint in query.packages:
        rows = ImagePackage.objects.filter(image__in=images, package__in=matching(constraint))
        for row in rows.values_list("image__hash", "package__name", "package__version"):
            held[row[0]].add(row[1:])
        if unbuilt:
            wanted = matching_requests(constraint, workspace).filter(version__in=unbuilt)
            for pk, name, text in wanted.values_list("version", "name", "constraint"):
                requested[pk].add((name, text))
    result: dict[tuple[int, str, bool], PackageMatch] = {}
    for hit in hits:
        only = hit.hash not in built
        packages = requested[hit.pk] if only else held[hit.hash]
        for name, version in sorted(packages):
            text = f"{name}{version}" if only else f"{name} {version}"
            match = result.setdefault((hit.environment, text, only), PackageMatch(text, only, name))
            if hit.version not in match.versions:
                match.versions.append(hit.version)
    return result


def older_hits(
    entries: Entries, query: SearchQuery, workspace: Workspace, user: Person
) -> tuple[list[Hit], bool]:
    """Return the hits in older versions of environments whose latest version does not match, and whether there are more.

    `entries` are those of all versions.
    """
    all_hits = matching_entries(entries, query, workspace, user)
    latest = matching_entries(entries.filter(latest=True), query, workspace, user)
    rows = hits_in(
        all_hits.filter(latest=False).exclude(environment__in=latest.values("environment")), MOST_OLDER * 5
    )
    names = list(dict.fromkeys(hit.name for hit in rows))
    shown = set(names[:MOST_OLDER])
    return [hit for hit in rows if hit.name in shown], len(names) > MOST_OLDER
