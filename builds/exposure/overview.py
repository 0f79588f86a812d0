"""All advisories that affect an image of some workspaces, worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from django.db.models import Case, Exists, IntegerField, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce

from builds.exposure.scopes import Scope, seen_packages, within
from builds.models import (
    SEVERITIES,
    Advisory,
    AdvisoryName,
    AffectedPackage,
    BasePackage,
    Image,
    ImagePackage,
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


def affecting(keys: Sequence[int], scope: Scope) -> Iterator[int]:
    """Yield those of these advisories that affect a current image of some workspaces, in their order."""
    images = within(Image.objects.filter(current=True), scope)
    direct = within(
        ImagePackage.objects.filter(package=OuterRef("package"), image__current=True),
        scope,
        "image__workspace",
    )
    digests = list(images.order_by().values_list("base_digest", flat=True).distinct())
    on_base = BasePackage.objects.filter(base_digest__in=digests, package=OuterRef("package"))
    for first in range(0, len(keys), AT_ONCE):
        part = keys[first : first + AT_ONCE]
        hits = PackageAdvisory.objects.filter(advisory__in=part).filter(Exists(direct) | Exists(on_base))
        here = set(hits.values_list("advisory", flat=True))
        yield from (key for key in part if key in here)


class _Count(Subquery):
    """The number of rows of a subquery, which may have a limit."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def advisories_in(
    scope: Scope, *, severity: str = "", query: str = "", page: int = 1
) -> tuple[list[Affecting], bool]:
    """Return a page of the advisories that affect an image in these workspaces, and whether there are more."""
    first = (max(1, page) - 1) * ROWS
    keys = list(islice(affecting(known(severity, query), scope), first, first + ROWS + 1))
    rows = Advisory.objects.defer("details").in_bulk(keys[:ROWS])
    return _counted([rows[key] for key in keys[:ROWS] if key in rows], scope), len(keys) > ROWS


def _counted(advisories: Sequence[Advisory], scope: Scope) -> list[Affecting]:
    direct = within(
        ImagePackage.objects.filter(package__advisories__advisory=OuterRef("pk"), image__current=True),
        scope,
        "image__workspace",
    )
    bases = BasePackage.objects.filter(package__advisories__advisory=OuterRef(OuterRef("pk")))
    on_bases = within(Image.objects.filter(current=True, base_digest__in=bases.values("base_digest")), scope)
    most = MOST_COUNTED + 1
    counts = Advisory.objects.filter(pk__in=[advisory.pk for advisory in advisories]).annotate(
        direct=_Count(direct.order_by().values("image").distinct()[:most]),
        on_bases=_Count(on_bases.values("pk")[:most]),
    )
    images = {pk: own + of_base for pk, own, of_base in counts.values_list("pk", "direct", "on_bases")}
    hits: dict[int, list[PackageAdvisory]] = defaultdict(list)
    rows = PackageAdvisory.objects.filter(advisory__in=images).select_related("package")
    seen = seen_packages(rows.values_list("package", flat=True), scope)
    rows = rows.filter(package__in=seen)
    for hit in rows.order_by("package__name", "pk"):
        hits[hit.advisory_id].append(hit)
    return [
        Affecting(
            advisory,
            images[advisory.pk],
            list(dict.fromkeys(hit.package.name for hit in hits[advisory.pk]))[:MOST_NAMED],
            list(dict.fromkeys(fix for hit in hits[advisory.pk] for fix in hit.fixed_in[:1]))[:MOST_NAMED],
        )
        for advisory in advisories
    ]
