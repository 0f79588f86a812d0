"""The promise as a figure: images in use with a vulnerability that has been known for more than 30 days."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from builds.exposure.images import used_entry
from builds.exposure.scopes import Scope, within
from builds.exposure.settled import settled_on
from builds.exposure.triage import SETTLED, holding
from builds.models import BasePackage, Image, ImagePackage, PackageAdvisory
from environments.models import VersionEntry, Workspace

DAYS = 30
KEPT_SECONDS = 600.0
MOST_LISTED = 500


@dataclass(frozen=True)
class Late:
    """An image in use with a vulnerability known for too long: since when, and a version that it is the image of."""

    image: Image
    known_since: datetime
    version: str


@dataclass
class Promise:
    """The number of current images in use, and those with a vulnerability older than the promise."""

    used: int = 0
    vulnerable: int = 0
    by_workspace: dict[str, int] = field(default_factory=dict)
    at: float = 0.0


def used_images(scope: Scope = None) -> dict[int, int]:
    """Return the current images in use, by key, each with one of the versions that use it.

    In use is the image of a version that is its environment's latest, has a label, or is used by a run, model or
    deployment that has not ended. A version without an image of its own uses the catalogue's.
    """
    entries = within(VersionEntry.objects.filter(used_entry()), scope)
    versions: dict[tuple[int, str], int] = {}
    hashes: dict[str, int] = {}
    for workspace, hash, version in entries.order_by("latest", "pk").values_list("workspace", "hash", "pk"):
        versions[workspace, hash] = version
        hashes[hash] = version
    result: dict[int, int] = {}
    own: set[tuple[int, str]] = set()
    catalogues = set(Workspace.objects.filter(curated=True).values_list("pk", flat=True))
    # In no order: images have one by default, by what their rows have after the lock.
    images = Image.objects.filter(current=True).order_by().values_list("pk", "workspace", "hash")
    shared: list[tuple[int, str]] = []
    for pk, workspace, hash in images.iterator():
        if (workspace, hash) in versions:
            result[pk] = versions[workspace, hash]
            own.add((workspace, hash))
        elif workspace in catalogues and hash in hashes:
            shared.append((pk, hash))
    without = {hash for workspace, hash in versions if (workspace, hash) not in own}
    result |= {pk: hashes[hash] for pk, hash in shared if hash in without}
    return result


def old_advisories() -> QuerySet[PackageAdvisory]:
    """Return the matches of advisories that were published before the promise's days."""
    return PackageAdvisory.objects.filter(advisory__published_at__lt=timezone.now() - timedelta(days=DAYS))


def known_since(images: Iterable[int]) -> dict[int, datetime]:
    """Return since when the oldest vulnerability of images has been known, of those that are too old."""
    chosen = set(images)
    advisories: dict[int, list[tuple[int, datetime]]] = defaultdict(list)
    for package, advisory, at in old_advisories().values_list(
        "package", "advisory", "advisory__published_at"
    ):
        if at is not None:
            advisories[package].append((advisory, at))
    settled = _settled(chosen, advisories)
    result: dict[int, datetime] = {}
    oldest = {package: min(at for _, at in several) for package, several in advisories.items()}

    def take(image: int, package: int) -> None:
        at = oldest.get(package)
        if at is None or (image in result and result[image] <= at):
            return
        if not settled:
            result[image] = at
            return
        for advisory, at in advisories[package]:
            if (image, advisory) not in settled:
                result[image] = min(at, result.get(image, at))

    direct = ImagePackage.objects.filter(package__in=old_advisories().values("package"))
    for image, package in direct.values_list("image", "package").iterator():
        if image in chosen and package in advisories:
            take(image, package)
    bases: dict[str, list[int]] = defaultdict(list)
    held = BasePackage.objects.filter(package__in=old_advisories().values("package"))
    for digest, package in held.values_list("base_digest", "package").iterator():
        bases[digest].append(package)
    on_bases = Image.objects.filter(current=True).order_by()
    for image, digest in on_bases.values_list("pk", "base_contents").iterator():
        if image in chosen and digest in bases:
            for package in bases[digest]:
                take(image, package)
    return result


def _settled(images: set[int], advisories: dict[int, list[tuple[int, datetime]]]) -> set[tuple[int, int]]:
    """Return the pairs of image and advisory that don't count, of the images that hold what was decided about."""
    known = {advisory for several in advisories.values() for advisory, _ in several}
    decided = set(holding().filter(state__in=SETTLED).values_list("advisory", flat=True)) & known
    if not decided:
        return set()
    packages = PackageAdvisory.objects.filter(advisory__in=decided).values("package")
    direct = ImagePackage.objects.filter(package__in=packages).values_list("image", flat=True)
    digests = BasePackage.objects.filter(package__in=packages).values("base_digest")
    on_bases = Image.objects.filter(base_contents__in=digests).values_list("pk", flat=True)
    return settled_on(images & {*direct, *on_bases}, decided)


def late_images(scope: Scope = None, most: int = MOST_LISTED) -> list[Late]:
    """Return the images in use with a vulnerability known for too long, the longest first."""
    used = used_images(scope)
    return _listed(used, known_since(used), most)


def promise_and_late(scope: Scope = None, most: int = MOST_LISTED) -> tuple[Promise, list[Late]]:
    """Return the figures and the images that are late, which are the same look-ups."""
    used = used_images(scope)
    since = known_since(used)
    return _figures(used, since), _listed(used, since, most)


def _listed(used: dict[int, int], since: dict[int, datetime], most: int) -> list[Late]:
    chosen = sorted(since, key=lambda image: (since[image], image))[:most]
    images = Image.objects.select_related("workspace").defer("lock", "layers").in_bulk(chosen)
    entries = VersionEntry.objects.filter(pk__in=[used[image] for image in chosen])
    versions = {
        entry.pk: str(entry.version)
        for entry in entries.select_related("version__environment").defer("version__data", "version__source")
    }
    return [Late(images[pk], since[pk], versions.get(used[pk], "")) for pk in chosen if pk in images]


def promise(scope: Scope = None) -> Promise:
    """Return the figures of some workspaces."""
    used = used_images(scope)
    return _figures(used, known_since(used))


def _figures(used: dict[int, int], late: dict[int, datetime]) -> Promise:
    rows = Image.objects.filter(Q(pk__in=list(late)) if len(late) < 500 else Q(current=True))
    names = dict(Workspace.objects.values_list("pk", "name"))
    counts: dict[str, int] = {}
    for pk, workspace in rows.order_by().values_list("pk", "workspace").iterator():
        if pk in late:
            counts[names[workspace]] = counts.get(names[workspace], 0) + 1
    ordered = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return Promise(len(used), len(late), ordered, time.monotonic())


_kept = Promise()


def kept_promise() -> Promise:
    """Return the studio's figures, at most ten minutes old: /metrics is read every few seconds."""
    global _kept
    if not _kept.at or time.monotonic() - _kept.at > KEPT_SECONDS:
        _kept = promise()
    return _kept


def forget() -> None:
    """Count again the next time."""
    global _kept
    _kept = Promise()
