"""All advisories that affect an image of some workspaces, worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db.models import (
    Case,
    Count,
    Exists,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from builds.exposure.scopes import Scope, in_current_images, seen_packages, within
from builds.models import (
    SEVERITIES,
    Advisory,
    AdvisoryName,
    AffectedPackage,
    BasePackage,
    Image,
    ImagePackage,
    Package,
    PackageAdvisory,
)

ROWS = 25
AT_ONCE = 50  # advisories that are looked up
MOST_COUNTED = 50  # images of an advisory
MOST_NAMED = 3


@dataclass(frozen=True)
class Affecting:
    """An advisory, the packages here that it affects, their fixes, and the number of current images."""

    advisory: Advisory
    images: int = 0
    packages: list[str] = field(default_factory=list)
    fixed_in: list[str] = field(default_factory=list)

    @property
    def more(self) -> bool:
        """Whether there are more images than are counted."""
        return self.images > MOST_COUNTED


def known(severity: str = "", query: str = "") -> list[int]:
    """Return the keys of the advisories that affect a package of any image, worst first."""
    advisories = Advisory.objects.filter(pk__in=PackageAdvisory.objects.values("advisory"))
    if severity in SEVERITIES:
        advisories = advisories.filter(severity=severity)
    if query:
        names = AdvisoryName.objects.filter(name__contains=query.upper()).values("advisory")
        # By what advisories are about, not by what images hold: those of others are nobody's business.
        records = AffectedPackage.objects.filter(name__contains=query.lower()).values("record__advisory")
        advisories = advisories.filter(Q(pk__in=names) | Q(pk__in=records))
    rank = Case(
        *(When(severity=name, then=Value(number)) for number, name in enumerate(SEVERITIES)),
        output_field=IntegerField(),
    )
    # Without a score last, on any database.
    score = Coalesce("score", Value(-1.0))
    ordered = advisories.annotate(rank=rank, known=score).order_by("-rank", "-known", "-published_at", "key")
    return list(ordered.values_list("pk", flat=True))


def affecting(
    keys: Sequence[int], held: QuerySet[ImagePackage], bases: Iterable[str], at_once: int = AT_ONCE
) -> Iterator[int]:
    """Yield those of these advisories that affect a package of images or one of their bases, in their order."""
    direct = held.filter(package=OuterRef("package"))
    on_base = BasePackage.objects.filter(base_digest__in=list(bases), package=OuterRef("package"))
    for first in range(0, len(keys), at_once):
        part = keys[first : first + at_once]
        hits = PackageAdvisory.objects.filter(advisory__in=part).filter(Exists(direct) | Exists(on_base))
        here = set(hits.values_list("advisory", flat=True))
        yield from (key for key in part if key in here)


class _Images(Subquery):
    """The images of a subquery, which may have a limit: their keys with commas."""

    template = "(SELECT GROUP_CONCAT(held.image) FROM (%(subquery)s) held)"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        """Return it as PostgreSQL spells it."""
        template = "(SELECT STRING_AGG(held.image::text, ',') FROM (%(subquery)s) held)"
        return self.as_sql(compiler, connection, template=template)


def advisories_in(
    scope: Scope, *, severity: str = "", query: str = "", page: int = 1
) -> tuple[list[Affecting], bool]:
    """Return a page of the advisories that affect an image in these workspaces, and whether there are more."""
    first = (max(1, page) - 1) * ROWS
    held = in_current_images(ImagePackage.objects.all(), scope)
    bases = _bases_of(scope)
    last = first + ROWS + 1
    hits = affecting(known(severity, query), held, bases, max(AT_ONCE, last))
    keys = list(islice(hits, first, last))
    rows = Advisory.objects.defer("details").in_bulk(keys[:ROWS])
    return _counted([rows[key] for key in keys[:ROWS] if key in rows], held, bases, scope), len(keys) > ROWS


def _counted(
    advisories: Sequence[Advisory], held: QuerySet[ImagePackage], bases: dict[str, int], scope: Scope
) -> list[Affecting]:
    hits: dict[int, list[tuple[int, str, list[str]]]] = defaultdict(list)
    rows = PackageAdvisory.objects.filter(advisory__in=[advisory.pk for advisory in advisories])
    columns = ("advisory", "package", "package__name", "fixed_in")
    for advisory, *hit in rows.order_by("package__name", "pk").values_list(*columns):
        hits[advisory].append(tuple(hit))
    images = _images_with({package for several in hits.values() for package, *_ in several}, held)
    seen = {package for package, several in images.items() if several}
    seen |= seen_packages(images.keys() - seen, scope)
    own_of = {
        # A package with as many as are counted settles the number; else these are all of its images.
        advisory.pk: set().union(*(images[package] for package, *_ in hits[advisory.pk]))
        for advisory in advisories
    }
    of_bases = _on_bases(own_of, bases)
    _once(own_of, of_bases)
    result = []
    for advisory in advisories:
        own, on_base = own_of[advisory.pk], of_bases[advisory.pk]
        shown = [(name, fixes) for package, name, fixes in hits[advisory.pk] if package in seen]
        result.append(
            Affecting(
                advisory,
                min(len(own), MOST_COUNTED + 1) + min(sum(on_base.values()), MOST_COUNTED + 1),
                list(dict.fromkeys(name for name, _ in shown))[:MOST_NAMED],
                list(dict.fromkeys(fix for _, fixes in shown for fix in fixes[:1]))[:MOST_NAMED],
            )
        )
    return result


def _bases_of(scope: Scope) -> dict[str, int]:
    """Return what current images in some workspaces have of their bases, each with the number of these."""
    images = within(Image.objects.filter(current=True), scope).order_by()
    result: dict[str, int] = defaultdict(int)
    # By workspace too, in the order of an index: grouped by base alone, SQLite would read each image.
    rows = images.values("workspace", "base_contents").annotate(number=Count("pk"))
    for digest, number in rows.values_list("base_contents", "number"):
        result[digest] += number
    return result


def _images_with(packages: Iterable[int], held: QuerySet[ImagePackage]) -> dict[int, set[int]]:
    """Return the images that hold each of some packages, at most one more than are counted."""
    direct = held.filter(package=OuterRef("pk")).order_by().values("image")[: MOST_COUNTED + 1]
    rows = Package.objects.filter(pk__in=list(packages)).annotate(images=_Images(direct))
    return {
        pk: set(map(int, images.split(","))) if images else set()
        for pk, images in rows.values_list("pk", "images")
    }


def _on_bases(advisories: Iterable[int], bases: dict[str, int]) -> dict[int, dict[str, int]]:
    """Return the bases with a package that an advisory affects, each with the number of images on it."""
    rows = BasePackage.objects.filter(package__advisories__advisory__in=list(advisories))
    pairs = rows.values_list("package__advisories__advisory", "base_digest").distinct()
    result: dict[int, dict[str, int]] = defaultdict(dict)
    for advisory, digest in pairs:
        if digest in bases:
            result[advisory][digest] = bases[digest]
    return result


def _once(own: dict[int, set[int]], of_bases: dict[int, dict[str, int]]) -> None:
    """Take images that hold an affected package themselves out, if they are on an affected base too."""
    both = {pk for pk, images in own.items() if of_bases[pk] and len(images) <= MOST_COUNTED}
    if not (keys := set().union(*(own[pk] for pk in both))):
        return
    known = dict(Image.objects.filter(pk__in=keys).order_by().values_list("pk", "base_contents"))
    for pk in both:
        own[pk] = {image for image in own[pk] if known.get(image) not in of_bases[pk]}
