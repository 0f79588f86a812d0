"""The vulnerabilities of images in lists: how many of each severity, and the conditions that filter by them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from django.db.models import F, Q, QuerySet

from builds.exposure.images import holds_any
from builds.exposure.scopes import Scope
from builds.exposure.settled import settled_everywhere, settled_on
from builds.images.packages import visible_images
from builds.models import (
    SEVERITIES,
    AdvisoryName,
    BasePackage,
    ImagePackage,
    PackageAdvisory,
)
from environments.models import Workspace

ANY, NONE = "any", "none"


@dataclass
class Exposure:
    """The number of advisories that affect an image, by severity."""

    counts: dict[str, int] = field(default_factory=dict)
    settled: int = 0
    """Advisories that don't count, by a decision about them."""

    @classmethod
    def of(cls, advisories: Iterable[tuple[str, bool]]) -> Self:
        """Count advisories, given with their severity and whether a decision settles them."""
        known = list(advisories)
        counts = Counter(severity for severity, settled in known if not settled)
        return cls(dict(counts), len(known) - counts.total())

    @property
    def worst(self) -> str:
        """The highest severity; empty where nothing is known."""
        return max(self.counts, key=SEVERITIES.index, default="")

    @property
    def total(self) -> int:
        """The number of advisories."""
        return sum(self.counts.values())

    @property
    def ranked(self) -> list[tuple[str, int]]:
        """The severities that there are, worst first, each with its number of advisories."""
        return [
            (severity, self.counts[severity]) for severity in reversed(SEVERITIES) if severity in self.counts
        ]


def exposure_of(hashes: Iterable[str], workspace: Workspace) -> dict[str, Exposure]:
    """Return the exposure of built definitions, by hash; those with an image and no known vulnerability are there too."""
    chosen = list(hashes)
    images = visible_images([workspace]).filter(hash__in=chosen)
    rows = list(images.order_by("workspace__curated").values_list("pk", "hash", "base_contents"))
    by_hash: dict[str, tuple[int, str]] = {}
    for pk, hash, contents in rows:
        by_hash.setdefault(hash, (pk, contents))  # the workspace's own before the catalogue's
    of_images = exposures(dict(by_hash.values()), [workspace.pk])
    return {hash: of_images[pk] for hash, (pk, _) in by_hash.items()}


def exposures(images: dict[int, str], scope: Scope = None) -> dict[int, Exposure]:
    """Return the exposure of images, given with what they have of their bases; by decisions in these workspaces."""
    packages: dict[int, set[int]] = defaultdict(set)
    direct = ImagePackage.objects.filter(image__in=images).values_list("image", "package")
    affected = direct.filter(package__advisories__isnull=False).distinct()
    for image, package in affected:
        packages[image].add(package)
    on_bases: dict[str, set[int]] = defaultdict(set)
    held = BasePackage.objects.filter(base_digest__in=set(images.values()), package__advisories__isnull=False)
    for digest, package in held.values_list("base_digest", "package").distinct():
        on_bases[digest].add(package)
    wanted = set().union(*packages.values(), *on_bases.values())
    advisories: dict[int, list[tuple[int, str]]] = defaultdict(list)
    rows = PackageAdvisory.objects.filter(package__in=wanted).annotate(severity=F("advisory__severity"))
    for package, advisory, severity in rows.values_list("package", "advisory", "severity"):
        advisories[package].append((advisory, severity))
    known = {advisory for several in advisories.values() for advisory, _ in several}
    settled = settled_on(images, known, scope) if known else set()
    result = {}
    for image, digest in images.items():
        hits = {hit for package in packages[image] | on_bases[digest] for hit in advisories[package]}
        result[image] = Exposure.of((severity, (image, advisory) in settled) for advisory, severity in hits)
    return result


def vulnerable(value: str) -> Q:
    """Return the condition on images of `vulnerability:VALUE`: an advisory's name, a severity or worse, or any."""
    return holds_any(_matches(value).values("package"))


def _matches(value: str) -> QuerySet[PackageAdvisory]:
    rows = PackageAdvisory.objects.all()
    if value in (*SEVERITIES, ANY, NONE):
        # Narrower decisions are for single images, which a search does not look at.
        rows = rows.exclude(advisory__in=settled_everywhere())
    if value in SEVERITIES:
        return rows.filter(advisory__severity__in=SEVERITIES[SEVERITIES.index(value) :])
    if value in (ANY, NONE):
        return rows
    names = AdvisoryName.objects.filter(name=value.upper())
    return rows.filter(advisory__in=names.values("advisory"))
