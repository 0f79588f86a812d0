"""Which versions have a package: in their images, or requested where they are not built."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, Max

from builds.images.packages import visible_images
from builds.models import Image, ImagePackage
from builds.search.conditions import images_of, matching_requests
from builds.search.matches import Hit
from environments.definition.packages.constraints import Constraint
from environments.definition.packages.specs import pip_name
from environments.definition.packages.versions import is_newer
from environments.models import RequestedPackage, VersionEntry, Workspace

MOST_ROWS = 5_000  # images with the package, and versions that share them
MOST_LOCKS = 30  # the newest images, whose locks say what needs the package
ECOSYSTEMS = {"pypi": "pip", "conda": "conda", "python": ""}


@dataclass
class Holder:
    """An environment's versions that have a version of a package; the newest first."""

    workspace: str
    environment: str
    curated: bool
    hits: list[Hit] = field(default_factory=list)

    @property
    def shown_name(self) -> str:
        """The environment's name on pages."""
        return self.environment.removeprefix("AzureML-") if self.curated else self.environment


@dataclass
class PackageVersion:
    """A version of a package, and the environments that have it; `text` is a constraint where it is only requested."""

    text: str
    ecosystem: str
    size: int = 0
    requested: bool = False
    license: str = ""
    holders: dict[int, Holder] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        """Add a version of an environment."""
        environment = row["environment_id"]
        curated = row["workspace__curated"]
        holder = self.holders.setdefault(
            environment, Holder(row["workspace__name"], row["environment__name"], curated)
        )
        hit = Hit(
            row["pk"],
            environment,
            row["environment__name"],
            row["version__version"],
            row["hash"],
            row["latest"],
        )
        holder.hits.append(hit)


ENTRY = (
    "pk",
    "hash",
    "environment_id",
    "environment__name",
    "version__version",
    "latest",
    "workspace__name",
    "workspace__curated",
)


def entries_in_reach(workspace: Workspace) -> Any:
    """Return the versions of a workspace and of the catalogue, archived ones left out."""
    spaces = [workspace, *Workspace.objects.filter(curated=True).exclude(pk=workspace.pk)]
    return VersionEntry.objects.filter(workspace__in=spaces, archived=False)


def resolved(workspace: Workspace, constraint: Constraint) -> list[PackageVersion]:
    """Return the versions of a package that images have, the newest first."""
    rows = ImagePackage.objects.filter(
        image__in=visible_images([workspace]).values("pk"), package__name=constraint.name
    ).values_list(
        "image__hash", "package__ecosystem", "package__version", "size", "requested", "package__license"
    )
    by_hash: dict[str, list[tuple[str, str, int, bool, str]]] = defaultdict(list)
    for hash, ecosystem, version, size, requested, licence in rows[:MOST_ROWS]:
        if constraint.allows(version, ecosystem) if constraint.parts else True:
            by_hash[hash].append((ecosystem, version, size, requested, licence))
    result: dict[tuple[str, str], PackageVersion] = {}
    entries = entries_in_reach(workspace).filter(hash__in=by_hash)
    for row in entries.order_by("environment__name", "-number").values(*ENTRY)[:MOST_ROWS]:
        for ecosystem, version, size, requested, licence in by_hash[row["hash"]]:
            held = result.setdefault((ecosystem, version), PackageVersion(version, ecosystem))
            held.size = max(held.size, size)
            held.requested |= requested
            held.license = licence
            held.add(row)
    return _newest_first(list(result.values()))


def _newest_first(versions: list[PackageVersion]) -> list[PackageVersion]:
    ordered: list[PackageVersion] = []
    for version in versions:
        kind = ECOSYSTEMS.get(version.ecosystem) or "pip"
        at = next((n for n, other in enumerate(ordered) if is_newer(version.text, other.text, kind)), None)
        ordered.insert(len(ordered) if at is None else at, version)
    return ordered


def requested_only(workspace: Workspace, constraint: Constraint) -> list[PackageVersion]:
    """Return the requests of a package in versions that are not built."""
    requests: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for space in {
        entry["workspace"] for entry in entries_in_reach(workspace).order_by().values("workspace").distinct()
    }:
        rows = matching_requests(constraint, Workspace(pk=space)).values_list(
            "version", "ecosystem", "constraint"
        )
        for version, ecosystem, text in rows[:MOST_ROWS]:
            requests[version].append((ecosystem, text))
    unbuilt = entries_in_reach(workspace).filter(pk__in=requests).filter(~Exists(images_of(workspace)))
    result: dict[tuple[str, str], PackageVersion] = {}
    for row in unbuilt.order_by("environment__name", "-number").values(*ENTRY)[:MOST_ROWS]:
        for ecosystem, text in requests[row["pk"]]:
            result.setdefault((ecosystem, text), PackageVersion(text, ecosystem, requested=True)).add(row)
    return sorted(result.values(), key=lambda held: held.text)


def neighbours(workspace: Workspace, name: str) -> tuple[list[str], list[str], str]:
    """Return what requires a package, what it requires, and the conda channel it is from: of the newest images."""
    newest = Image.objects.filter(pk__in=_images_with(workspace, name)).order_by("-built_at")
    needing: set[str] = set()
    needed: set[str] = set()
    channel = ""
    for lock in newest.values_list("lock", flat=True)[:MOST_LOCKS]:
        for package in (lock or {}).get("packages", ()):
            dependants = [pip_name(dependant) for dependant in package.get("needed_by", ())]
            if pip_name(package["name"]) == name:
                needing.update(dependants)
                channel = channel or package.get("channel", "")
            elif name in dependants:
                needed.add(pip_name(package["name"]))
    return sorted(needing - {name}), sorted(needed - {name}), channel


def _images_with(workspace: Workspace, name: str) -> Any:
    images = visible_images([workspace])
    return images.filter(package_rows__package__name=name).values("pk")


@dataclass
class ListedPackage:
    """A package of a workspace: its versions and images, and how many versions request it unbuilt."""

    name: str
    ecosystems: list[str] = field(default_factory=list)
    versions: int = 0
    images: int = 0
    size: int = 0
    unbuilt: int = 0


def packages_of(workspace: Workspace, part: str) -> Sequence[ListedPackage]:
    """Return the packages of a workspace's versions whose names have a part, the most used first; in two queries."""
    entries = VersionEntry.objects.filter(workspace=workspace, archived=False)
    images = visible_images([workspace]).filter(hash__in=entries.values("hash"))
    held = ImagePackage.objects.filter(image__in=images.values("pk"), package__name__contains=part)
    counted = held.order_by().values_list("package__name", "package__ecosystem")
    counted = counted.annotate(Count("package", distinct=True), Count("image", distinct=True), Max("size"))
    listed: dict[str, ListedPackage] = {}
    for name, ecosystem, versions, images_with, size in counted:
        row = listed.setdefault(name, ListedPackage(name))
        row.ecosystems.append(ecosystem)
        row.versions += versions
        row.images += images_with
        row.size = max(row.size, size)
    unbuilt = entries.filter(~Exists(images_of(workspace)))
    requested = RequestedPackage.objects.filter(version__in=unbuilt.values("pk"), name__contains=part)
    rows = requested.order_by().values_list("name", "ecosystem").annotate(Count("version", distinct=True))
    for name, ecosystem, versions in rows:
        row = listed.setdefault(name, ListedPackage(name))
        row.unbuilt += versions
        if ecosystem not in row.ecosystems:
            row.ecosystems.append(ecosystem)
    return sorted(listed.values(), key=lambda row: (-row.images, -row.unbuilt, row.name))
