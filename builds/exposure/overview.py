"""All advisories that affect an image of some workspaces, worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Case, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When

from builds.exposure.images import Scope, in_use, within
from builds.models import SEVERITIES, Advisory, BasePackage, Image, ImagePackage, PackageAdvisory

ROWS = 25
MOST_COUNTED = 100  # images of an advisory
MOST_NAMED = 3


@dataclass(frozen=True)
class Affecting:
    """An advisory, the packages here that it affects, their fixes, and the number of images in use."""

    advisory: Advisory
    images: int = 0
    packages: list[str] = field(default_factory=list)
    fixed_in: list[str] = field(default_factory=list)

    @property
    def more(self) -> bool:
        """Whether there are more images than are counted."""
        return self.images > MOST_COUNTED


def affecting(scope: Scope, severity: str = "", query: str = "") -> QuerySet[Advisory]:
    """Return the advisories that affect a current image of these workspaces, worst first."""
    images = within(Image.objects.filter(current=True), scope)
    direct = within(
        ImagePackage.objects.filter(package=OuterRef("package"), image__current=True), scope, "image__"
    )
    digests = list(images.order_by().values_list("base_digest", flat=True).distinct())
    on_base = BasePackage.objects.filter(base_digest__in=digests, package=OuterRef("package"))
    hits = PackageAdvisory.objects.filter(Exists(direct) | Exists(on_base))
    advisories = Advisory.objects.filter(pk__in=hits.values("advisory"))
    if severity in SEVERITIES:
        advisories = advisories.filter(severity=severity)
    if query:
        named = Q(names__name__icontains=query) | Q(packages__package__name__icontains=query)
        advisories = advisories.filter(named).distinct()
    rank = Case(
        *(When(severity=name, then=Value(number)) for number, name in enumerate(SEVERITIES)),
        output_field=IntegerField(),
    )
    return advisories.annotate(rank=rank).order_by("-rank", "-score", "-published_at", "key")


class _Count(Subquery):
    """The number of rows of a subquery, which may have a limit."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def advisories_in(
    scope: Scope, *, severity: str = "", query: str = "", page: int = 1
) -> tuple[list[Affecting], bool]:
    """Return a page of the advisories that affect an image in these workspaces, and whether there are more."""
    first = (max(1, page) - 1) * ROWS
    chosen = list(affecting(scope, severity, query).defer("details")[first : first + ROWS + 1])
    return _counted(chosen[:ROWS], scope), len(chosen) > ROWS


def _counted(advisories: Sequence[Advisory], scope: Scope) -> list[Affecting]:
    direct = within(
        ImagePackage.objects.filter(package__advisories__advisory=OuterRef("pk"), image__current=True),
        scope,
        "image__",
    ).filter(in_use(scope, "image__"))
    bases = BasePackage.objects.filter(package__advisories__advisory=OuterRef(OuterRef("pk")))
    on_bases = within(Image.objects.filter(current=True, base_digest__in=bases.values("base_digest")), scope)
    on_bases = on_bases.filter(in_use(scope)).order_by()
    most = MOST_COUNTED + 1
    counts = Advisory.objects.filter(pk__in=[advisory.pk for advisory in advisories]).annotate(
        direct=_Count(direct.order_by().values("image").distinct()[:most]),
        on_bases=_Count(on_bases.values("pk")[:most]),
    )
    images = {pk: own + of_base for pk, own, of_base in counts.values_list("pk", "direct", "on_bases")}
    hits: dict[int, list[PackageAdvisory]] = defaultdict(list)
    rows = PackageAdvisory.objects.filter(advisory__in=images).select_related("package")
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


def severities_in(scope: Scope) -> dict[str, int]:
    """Return the number of advisories of each severity that affect an image in these workspaces, worst first."""
    counts = dict.fromkeys(reversed(SEVERITIES), 0)
    for severity in affecting(scope).order_by().values_list("severity", flat=True):
        counts[severity] += 1
    return counts
