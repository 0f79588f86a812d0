"""Rows of a list of exposed images: versions, labels, uses, packages, why they are there, and since when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import F, QuerySet

from builds.exposure.among import among
from builds.exposure.images import exposed_among, past_images, used_entry
from builds.exposure.scopes import Scope, within
from builds.exposure.settled import Pair
from builds.exposure.subjects import Subject
from builds.images.dependency_paths import path_to
from builds.models import Advisory, BasePackage, Image, ImagePackage, PastImage
from environments.models import Usage, VersionEntry, VersionLabel

MOST_VERSIONS = 200  # of an image
MOST_USES = 50
LOCKS_AT_ONCE = 5
SHOWN = (
    *("hash", "latest", "archived", "number", "workspace", "version__version", "environment__name"),
    *("environment__workspace__name", "environment__workspace__title"),
)  # of a version's entry


@dataclass(frozen=True)
class AffectedVersion:
    """A package that is affected, by which advisories, and the reason it is in the image."""

    name: str
    version: str
    ecosystem: str
    advisories: list[tuple[Advisory, list[str]]]
    """Each with the versions that fix it."""
    direct: bool = False
    path: tuple[str, ...] = ()
    """From a requested package; empty for a package of the base, or where the reason is not known."""
    of_base: bool = False
    """Whether the base brings it: another base fixes it, and no other version of a package."""


@dataclass
class ExposedVersion:
    """A version of an environment with an exposed image, its labels and its uses."""

    entry: VersionEntry
    labels: list[str] = field(default_factory=list)
    uses: list[Usage] = field(default_factory=list)
    since: datetime | None = None
    until: datetime | None = None
    """Of its environment, over all versions; None as long as a version in use is exposed."""


@dataclass
class ExposedImage:
    """An image that is exposed, from its build until it was replaced."""

    image: Image
    versions: list[ExposedVersion] = field(default_factory=list)
    packages: list[AffectedVersion] = field(default_factory=list)
    settled: bool = False
    """Whether decisions say that none of these advisories counts for it."""

    @property
    def in_base(self) -> bool:
        """Whether its base brings one of the packages."""
        return any(package.of_base for package in self.packages)

    @property
    def used_by(self) -> int:
        """The number of active uses that are shown."""
        return sum(len(version.uses) for version in self.versions)


def rows_of(
    images: Sequence[Image], subject: Subject, settled: Container[Pair], scope: Scope, uses_in: Scope
) -> list[ExposedImage]:
    """Return what is shown of images on a page, in a number of queries that does not depend on theirs.

    `settled` are the advisories that don't count for an image. Uses are those of `uses_in`: a version of the catalogue
    is used in many workspaces.
    """
    packages = _packages(images, subject)
    versions = _versions(images, scope, uses_in)
    spans = spans_of({v.entry.environment_id for several in versions.values() for v in several}, subject)
    for several in versions.values():
        for version in several:
            version.since, version.until = spans.get(version.entry.environment_id, (None, None))

    def all_settled(image: Image) -> bool:
        hits = {advisory.pk for package in packages[image.pk] for advisory, _ in package.advisories}
        return bool(hits) and all((image.pk, advisory) in settled for advisory in hits)

    return [
        ExposedImage(image, versions[image.pk], packages[image.pk], all_settled(image)) for image in images
    ]


def _versions(images: Sequence[Image], scope: Scope, uses_in: Scope) -> dict[int, list[ExposedVersion]]:
    hashes = {image.hash for image in images}
    entries = within(VersionEntry.objects.filter(among("hash", hashes)), scope)
    rows = entries.select_related("version", "environment__workspace").only(*SHOWN)
    by_hash: dict[str, list[ExposedVersion]] = defaultdict(list)
    by_version: dict[int, ExposedVersion] = {}
    for entry in rows.order_by("-latest", "environment__name", "-number")[: MOST_VERSIONS * len(images)]:
        entry.version.environment = entry.environment  # read once
        exposed = ExposedVersion(entry)
        by_hash[entry.hash].append(exposed)
        by_version[entry.pk] = exposed
    for version, name in VersionLabel.objects.filter(among("version", by_version)).values_list(
        "version", "name"
    ):
        by_version[version].labels.append(name)
    uses = within(Usage.objects.filter(among("version", by_version), ended_at=None), uses_in)
    for use in uses.select_related("workspace").order_by("-last_at"):
        if len(by_version[use.version_id].uses) < MOST_USES:
            by_version[use.version_id].uses.append(use)
    result: dict[int, list[ExposedVersion]] = defaultdict(list)
    for image in images:
        shared = image.workspace.curated
        result[image.pk] = [
            exposed
            for exposed in by_hash[image.hash]
            if shared or exposed.entry.workspace_id == image.workspace_id
        ]
    return result


def _packages(images: Sequence[Image], subject: Subject) -> dict[int, list[AffectedVersion]]:
    result: dict[int, list[AffectedVersion]] = defaultdict(list)
    keys = among("image", (image.pk for image in images))
    own = ImagePackage.objects.filter(keys, package__in=subject.packages)
    rows = list(own.select_related("package").order_by("package__name"))
    paths = _paths((row.image_id, row.package.name) for row in rows if not row.requested)
    for row in rows:
        package = row.package
        path = (package.name,) if row.requested else paths.get((row.image_id, package.name), ())
        result[row.image_id].append(
            AffectedVersion(
                package.name,
                package.version,
                package.ecosystem,
                _advisories(package.pk, subject),
                direct=row.requested,
                path=path,
            )
        )
    on_bases: dict[str, list[AffectedVersion]] = defaultdict(list)
    digests = {image.base_contents for image in images} & subject.digests
    held = BasePackage.objects.filter(base_digest__in=digests, package__in=subject.packages)
    for base in held.select_related("package").order_by("package__name"):
        package = base.package
        advisories = _advisories(package.pk, subject)
        on_bases[base.base_digest].append(
            AffectedVersion(package.name, package.version, package.ecosystem, advisories, of_base=True)
        )
    for image in images:
        result[image.pk] += on_bases[image.base_contents]
    return result


def _paths(packages: Iterable[tuple[int, str]]) -> dict[tuple[int, str], tuple[str, ...]]:
    """Return the path to each package of an image from a requested package of its lock.

    A few locks at a time: fifty at once are so many objects that Python's garbage collector looks through all others.
    """
    names: dict[int, set[str]] = defaultdict(set)
    for image, name in packages:
        names[image].add(name)
    locks = Image.objects.filter(among("id", names)).order_by().values_list("pk", "lock")
    return {
        (image, name): path_to(lock or {}, name)
        for image, lock in locks.iterator(chunk_size=LOCKS_AT_ONCE)
        for name in names[image]
    }


def _advisories(package: int, subject: Subject) -> list[tuple[Advisory, list[str]]]:
    hits = [(subject.advisories[pk], fixes) for pk, fixes in subject.hits.get(package, {}).items()]
    return sorted(hits, key=lambda hit: (-(hit[0].score or 0), hit[0].key))


Span = tuple[datetime | None, datetime | None]


def spans_of(environments: Iterable[int], subject: Subject) -> dict[int, Span]:
    """Return since when and until when environments were exposed, over all versions ever made.

    It begins with the first exposed image. It ends where the versions in use are no longer exposed: with the build
    of the first image of a newer version, or else the end of the last exposed image; None as long as one is.
    """
    chosen = list(environments)
    entries = VersionEntry.objects.filter(among("environment", chosen))
    columns = ("environment", "workspace", "hash", "number")
    versions = list(entries.values_list(*columns))
    used = set(entries.filter(used_entry()).values_list("environment", "number"))
    hashes = {hash for _, _, hash, _ in versions}
    images = Image.objects.filter(among("hash", hashes)).annotate(shared=F("workspace__curated"))
    rows = list(
        images.order_by("made_at").values_list(
            "pk", "base_contents", "workspace", "hash", "shared", "current", "made_at"
        )
    )
    exposed = exposed_among({pk: digest for pk, digest, *_ in rows}, subject)
    built: dict[str, list[Made]] = defaultdict(list)
    for pk, _, workspace, hash, shared, current, built_at in rows:
        built[hash].append(Made(workspace, shared, built_at, pk in exposed, current))
    for past in _past(subject, hashes):
        built[past[1]].append(Made(past[0], False, past[2], True, False, past[3]))
    by_environment: dict[int, list[tuple[int, bool, list[Made]]]] = defaultdict(list)
    for environment, workspace, hash, number in versions:
        made = [image for image in built[hash] if image.shared or image.workspace == workspace]
        by_environment[environment].append((number, (environment, number) in used, made))
    return {environment: _span(several) for environment, several in by_environment.items()}


@dataclass(frozen=True)
class Made:
    """An image of a version, at any time."""

    workspace: int
    shared: bool
    built_at: datetime
    exposed: bool
    current: bool
    until: datetime | None = None


def _past(subject: Subject, hashes: set[str]) -> QuerySet[PastImage, tuple[int, str, datetime, datetime]]:
    rows = past_images(subject, None).filter(among("hash", hashes))
    return rows.values_list("workspace", "hash", "built_at", "until")


def _span(versions: list[tuple[int, bool, list[Made]]]) -> Span:
    hits = [(number, used, image) for number, used, made in versions for image in made if image.exposed]
    if not hits:
        return None, None
    since = min(image.built_at for _, _, image in hits)
    if any(used and image.current for _, used, image in hits):
        return since, None
    last = max(number for number, _, _ in hits)
    newer = [image.built_at for number, _, made in versions if number > last for image in made]
    rebuilt = [
        image.built_at
        for number, _, made in versions
        for image in made
        if number <= last and not image.exposed and image.built_at > since
    ]
    ends = [image.until for _, _, image in hits if image.until is not None]
    return since, min(newer, default=None) or max(rebuilt, default=None) or max(ends, default=None)
