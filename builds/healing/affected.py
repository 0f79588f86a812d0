"""The latest versions of environments that advisories affect, and how new their packages must be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from builds.advisories.matching import match
from builds.advisories.ordering import order
from builds.exposure.triage import decisions_about
from builds.imaging.lock import Lock, LockedPackage
from builds.models import Advisory, BasePackage, Image, ImagePackage, PackageAdvisory
from environments.definition.packages.specs import pip_name
from environments.definition.upgrades import CannotUpgrade, Upgrade
from environments.models import ListEntry, Version, Workspace


@dataclass(frozen=True)
class Affected:
    """The latest version of an environment, and its image, which holds packages that an advisory affects."""

    version: Version
    image: Image
    in_base: bool = False
    """Whether its base brings one of these."""
    own: bool = True
    """Whether one is its own: otherwise only another base fixes it."""


def affected_versions(
    advisories: Collection[Advisory],
    workspaces: QuerySet[Workspace] | Sequence[Workspace],
    *,
    environment: int | None = None,
) -> list[Affected]:
    """Return the latest version of every environment in these workspaces whose image these advisories affect.

    Archived and anonymous environments are left out, and those for which decisions settle all of it. Environments come before those that were started from them.
    """
    packages = PackageAdvisory.objects.filter(advisory__in=[advisory.pk for advisory in advisories]).values(
        "package"
    )
    direct = ImagePackage.objects.filter(package__in=packages).values("image")
    on_bases = BasePackage.objects.filter(package__in=packages).values("base_digest")
    images = Image.objects.filter(Q(pk__in=direct) | Q(base_contents__in=on_bases), current=True)
    entries = ListEntry.objects.filter(
        workspace__in=workspaces, archived=False, version__hash__in=images.values("hash")
    )
    if environment is not None:
        entries = entries.filter(environment=environment)
    versions = Version.objects.filter(list_entry__in=entries).select_related("environment__workspace")
    by_hash: dict[str, list[Image]] = defaultdict(list)
    for row in images.filter(hash__in=versions.values("hash")).select_related("workspace"):
        by_hash[row.hash].append(row)
    built = [row for rows in by_hash.values() for row in rows]
    own, of_bases = _held(advisories, built)
    held = {row.pk: own[row.pk] | of_bases[row.base_contents] for row in built}
    decisions = decisions_about([advisory.pk for advisory in advisories])
    pairs = [
        Affected(version, image, bool(of_bases[image.base_contents]), bool(own[image.pk]))
        for version in versions.defer("data", "source").order_by("pk")
        if (image := _image_of(version, by_hash[version.hash])) is not None
        and not all(decisions.settled(key, version.environment_id, version.pk) for key in held[image.pk])
    ]
    return in_order_of_derivation(pairs)


def _held(
    advisories: Collection[Advisory], images: Sequence[Image]
) -> tuple[dict[int, set[int]], dict[str, set[int]]]:
    """Return which of these advisories affect packages of each image, and of each base: by keys."""
    rows = PackageAdvisory.objects.filter(advisory__in=[advisory.pk for advisory in advisories])
    own: dict[int, set[int]] = defaultdict(set)
    direct = rows.filter(package__image_rows__image__in=[image.pk for image in images])
    for image, advisory in direct.values_list("package__image_rows__image", "advisory"):
        own[image].add(advisory)
    of_bases: dict[str, set[int]] = defaultdict(set)
    held = rows.filter(package__base_rows__base_digest__in={image.base_contents for image in images})
    for base, advisory in held.values_list("package__base_rows__base_digest", "advisory"):
        of_bases[base].add(advisory)
    return own, of_bases


def _image_of(version: Version, images: Sequence[Image]) -> Image | None:
    """Return the image that a version is pulled as: the workspace's own, else the catalogue's (rule 8)."""
    workspace = version.environment.workspace_id
    own = next((image for image in images if image.workspace_id == workspace), None)
    return own or next((image for image in images if image.workspace.curated), None)


def in_order_of_derivation(pairs: Sequence[Affected]) -> list[Affected]:
    """Return them with each after the environment that it was started from, if that is among them."""
    by_environment = {pair.version.environment_id: pair for pair in pairs}
    origins = origins_of([pair.version for pair in pairs])
    result: dict[int, Affected] = {}
    for pair in pairs:
        chain = [pair.version.environment_id]
        while (origin := origins.get(chain[-1], 0)) in by_environment and origin not in chain:
            chain.append(origin)
        for environment in reversed(chain):
            result.setdefault(environment, by_environment[environment])
    return list(result.values())


def origins_of(versions: Sequence[Version]) -> dict[int, int]:
    """Return the environment that each version's environment was started from, by their keys."""
    rows = (
        Version.objects.filter(environment__in={version.environment_id for version in versions})
        .filter(based_on__isnull=False)
        .order_by("-number")
        .values_list("environment", "based_on__environment")
    )
    return {environment: origin for environment, origin in rows if environment != origin}


def unsettled(advisories: Collection[Advisory], version: Version) -> list[Advisory]:
    """Return the advisories without a decision that settles them for this version."""
    decisions = decisions_about([advisory.pk for advisory in advisories])
    return [
        advisory
        for advisory in advisories
        if not decisions.settled(advisory.pk, version.environment_id, version.pk)
    ]


def upgrades_for(advisories: Collection[Advisory], lock: Lock) -> list[Upgrade]:
    """Return the upgrades that fix these advisories in a lock: of each package, to the nearest version that does.

    Raises CannotUpgrade if no version fixes one of them.
    """
    keys = [advisory.pk for advisory in advisories]
    names = {package.name for package in lock.packages}
    rows = PackageAdvisory.objects.filter(advisory__in=keys, package__name__in=names)
    fixes: dict[tuple[str, str, str], list[tuple[str, list[str]]]] = defaultdict(list)
    for row in rows.select_related("package", "advisory"):
        key = row.package.ecosystem, row.package.name, row.package.version
        fixes[key].append((row.advisory.key, row.fixed_in))
    upgrades = []
    for package in lock.packages:
        known = fixes.get((package.ecosystem, package.name, package.version))
        if known:
            upgrades.append(_upgrade(package, known))
    return upgrades


def _upgrade(package: LockedPackage, known: Sequence[tuple[str, list[str]]]) -> Upgrade:
    needed = []
    for key, fixed_in in known:
        if not fixed_in:
            raise CannotUpgrade(f"No version of {package.name} is known that fixes {key}.")
        needed.append(fixed_in[0])  # the smallest that is newer than this version
    version = max(needed, key=lambda text: order(text, package.ecosystem))
    if package.ecosystem == "conda":
        return Upgrade("conda", package.name, version)
    return Upgrade("pip", pip_name(package.name), version)


def still_affected(advisories: Collection[Advisory], lock: Lock) -> list[str]:
    """Return the packages of a lock that these advisories affect, as name and version."""
    keys = {advisory.pk for advisory in advisories}
    return [
        f"{package.name} {package.version}"
        for package in lock.packages
        for advisory, _ in match(
            package.ecosystem, package.name, package.version, distributions=package.distributions
        )
        if advisory.pk in keys
    ]
