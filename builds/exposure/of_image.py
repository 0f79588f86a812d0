"""The vulnerabilities of an image: for its environment's page, worst first."""

from __future__ import annotations

from dataclasses import dataclass, replace

from builds.exposure.columns import Exposure
from builds.exposure.settled import settled_on
from builds.models import SEVERITIES, Advisory, BasePackage, Image, ImagePackage, PackageAdvisory

SHOWN = 8


@dataclass(frozen=True)
class Vulnerability:
    """An advisory about a package of an image."""

    advisory: Advisory
    package: str
    version: str
    fixed_in: list[str]
    of_base: bool = False
    settled: bool = False
    """Whether a decision about it says that it doesn't count."""


@dataclass(frozen=True)
class Vulnerabilities:
    """The worst vulnerabilities of an image, and how many there are of each severity."""

    exposure: Exposure
    worst: list[Vulnerability]

    @property
    def more(self) -> int:
        """The number of those that are not shown."""
        return self.exposure.total + self.exposure.settled - len(self.worst)


def vulnerabilities_of(image: Image, most: int = SHOWN) -> Vulnerabilities:
    """Return the vulnerabilities of an image, each advisory once, with the first of its packages."""
    packages = ImagePackage.objects.filter(image=image).values_list("package", flat=True)
    on_base = BasePackage.objects.filter(base_digest=image.base_contents).values_list("package", flat=True)
    rows = PackageAdvisory.objects.select_related("advisory", "package").defer("advisory__details")
    hits: dict[int, Vulnerability] = {}
    for held, of_base in ((packages, False), (on_base, True)):
        for row in rows.filter(package__in=held).order_by("package__name"):
            hit = Vulnerability(
                row.advisory, row.package.name, row.package.version, row.fixed_in, of_base=of_base
            )
            hits.setdefault(row.advisory_id, hit)
    settled = settled_on([image.pk], hits) if hits else set()
    marked = [replace(hit, settled=(image.pk, pk) in settled) for pk, hit in hits.items()]
    ordered = sorted(marked, key=_rank)
    exposure = Exposure.of((hit.advisory.severity, hit.settled) for hit in marked)
    return Vulnerabilities(exposure, ordered[:most])


def _rank(hit: Vulnerability) -> tuple[bool, int, float, float, str]:
    advisory = hit.advisory
    published = advisory.published_at.timestamp() if advisory.published_at else 0.0
    return (
        hit.settled,
        -SEVERITIES.index(advisory.severity),
        -(advisory.score or 0.0),
        -published,
        advisory.key,
    )
