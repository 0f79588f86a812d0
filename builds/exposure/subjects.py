"""The subject of a question about exposure: an advisory by any of its names, or a package."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from builds.exposure.scopes import Scope, seen_packages
from builds.models import (
    Advisory,
    AdvisoryName,
    BasePackage,
    Image,
    ImagePackage,
    Package,
    PackageAdvisory,
    PackageDistribution,
)
from environments.definition.packages.constraints import BadConstraint, Constraint
from environments.definition.packages.specs import pip_name

MOST_CHARACTERS = 400
FEW = 2_000  # rows of packages: so many are looked up before images are, and more while images are read


@dataclass(frozen=True)
class Subject:
    """An advisory, or a package with all its advisories; `hits` are their packages, by key."""

    name: str
    advisory: Advisory | None = None
    advisories: dict[int, Advisory] = field(default_factory=dict)
    hits: dict[int, dict[int, list[str]]] = field(default_factory=dict)
    """By package and advisory: the versions that fix it."""
    digests: frozenset[str] = frozenset()
    """The bases with one of the packages."""

    @property
    def packages(self) -> list[int]:
        """The keys of the packages that are affected."""
        return sorted(self.hits)

    @cached_property
    def rare(self) -> bool:
        """Whether few images have one of the packages, themselves or by their bases."""
        rows = ImagePackage.objects.filter(package__in=self.packages).order_by()
        count = rows.values("pk")[: FEW + 1].count()
        if count <= FEW and self.digests:
            on_bases = Image.objects.filter(base_contents__in=list(self.digests)).order_by()
            count += on_bases.values("pk")[: FEW + 1].count()
        return count <= FEW


def subject_of(text: str, seen: Scope = None) -> Subject | None:
    """Return the subject that a name means: an advisory before a package, `lib<2` a package; None for neither.

    A package that is in no image of the workspaces that are `seen` does not exist for those who see these.
    """
    text = text.strip()[:MOST_CHARACTERS].replace("\0", "")
    name = AdvisoryName.objects.filter(name=text.upper()).select_related("advisory").first()
    if name is not None:
        return of_advisories([name.advisory], name.advisory.key, name.advisory)
    try:
        constraint = Constraint.parse(text) or Constraint(pip_name(text))
    except BadConstraint:
        return None
    packages = seen_packages(_packages(constraint), seen)
    if not packages:
        return None
    rows = PackageAdvisory.objects.filter(package__in=packages).select_related("advisory")
    return _subject(list(rows), text)


def of_advisories(advisories: Iterable[Advisory], name: str, advisory: Advisory | None = None) -> Subject:
    """Return several advisories as a subject."""
    rows = PackageAdvisory.objects.filter(advisory__in=list(advisories)).select_related("advisory")
    return _subject(list(rows), name, advisory)


def _subject(rows: list[PackageAdvisory], name: str, advisory: Advisory | None = None) -> Subject:
    hits: dict[int, dict[int, list[str]]] = defaultdict(dict)
    for row in rows:
        hits[row.package_id][row.advisory_id] = row.fixed_in
    digests = BasePackage.objects.filter(package__in=list(hits)).values_list("base_digest", flat=True)
    advisories = {row.advisory_id: row.advisory for row in rows}
    return Subject(name, advisory, advisories, dict(hits), frozenset(digests.distinct()))


def _packages(constraint: Constraint) -> list[int]:
    """Return the packages of a name, and the conda packages that hold a distribution of that name."""
    rows = Package.objects.filter(name=constraint.name).values_list("pk", "ecosystem", "version")
    packages = {pk for pk, ecosystem, version in rows if _fits(constraint, version, ecosystem)}
    held = PackageDistribution.objects.filter(name=constraint.name).values_list("package", "version")
    return sorted(packages | {pk for pk, version in held if _fits(constraint, version, "pypi")})


def _fits(constraint: Constraint, version: str, ecosystem: str) -> bool:
    return not constraint.parts or constraint.allows(version, ecosystem)
