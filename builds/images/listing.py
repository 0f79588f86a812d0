"""The list of a workspace's images: sorted, filtered, and whether their base has moved."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import CharField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils import timezone

from builds.models import BaseImage, Image
from builds.models.images import DEFAULT_PLATFORMS
from builds.statistics.history import FEW
from environments.models import ListEntry, Version, Workspace

SORTS = {
    "built": ("built_at", "pk"),
    "-built": ("-built_at", "-pk"),
    "used": ("used_at", "pk"),
    "-used": ("-used_at", "-pk"),
    "size": ("size", "pk"),
    "-size": ("-size", "-pk"),
}
DEFAULT_SORT = "-built"
UNUSED_DAYS = 30
DIGITS = re.compile(r"[0-9a-f]{3,64}")  # of a hash or a digest
ONLY = ("current", "replaced", "unused", "moved")


@dataclass(frozen=True)
class ImageFilter:
    """The conditions and the order of the list of images."""

    query: str = ""  # a part of an environment's name, the beginning of a hash or digest, or base:…
    only: str = ""
    sort: str = DEFAULT_SORT

    @classmethod
    def read(cls, params: Mapping[str, str]) -> "ImageFilter":
        """Return the filter of a query string; invalid values are ignored."""
        query, only, sort = (params.get(name, "").strip() for name in ("q", "only", "sort"))
        return cls(query, only if only in ONLY else "", sort if sort in SORTS else DEFAULT_SORT)

    def __bool__(self) -> bool:
        return bool(self.query or self.only)


def find_images(images: QuerySet[Image], workspace: Workspace, criteria: ImageFilter) -> QuerySet[Image]:
    """Return the images of a workspace that match a filter, in its order."""
    images = images.annotate(base_moved=base_moved())
    match criteria.only:
        case "current":
            images = images.filter(current=True)
        case "replaced":
            images = images.filter(current=False)
        case "unused":
            images = images.filter(used_at__lt=timezone.now() - timedelta(days=UNUSED_DAYS))
        case "moved":
            images = images.filter(floating=True, base_moved=True)
    return _of_query(images, workspace, criteria.query.lower()).order_by(*SORTS[criteria.sort])


def base_moved() -> Exists:
    """Return whether a floating base is known to have moved since the image was built (rule 18)."""
    own = Concat(Value("Dockerfile "), OuterRef("hash"))
    # As BaseImage.reference_of names them.
    platforms = ExpressionWrapper(OuterRef("platforms"), output_field=CharField())
    of_default = Q(reference=OuterRef("base"), platforms=DEFAULT_PLATFORMS)
    of_others = Q(reference=Concat(OuterRef("base"), Value(" "), OuterRef("platforms")))
    known = BaseImage.objects.annotate(platforms=platforms)
    known = known.filter(of_default | of_others | Q(reference=own))
    return Exists(known.exclude(digest=OuterRef("base_digest")))


def _of_query(images: QuerySet[Image], workspace: Workspace, query: str) -> QuerySet[Image]:
    if not query:
        return images
    if query.startswith("base:"):
        return images.filter(base__icontains=query[5:])
    beginning = query.removeprefix("sha256:")
    known = Q(pk__in=[])
    if DIGITS.fullmatch(beginning):
        # An index finds what begins with it in every database.
        known |= Q(digest__gte=f"sha256:{beginning}", digest__lt=f"sha256:{beginning}g")
        if beginning == query:
            known |= Q(hash__gte=query, hash__lt=f"{query}g")
    named = ListEntry.objects.filter(workspace=workspace, name__contains=query).order_by("name")
    few = list(named.values_list("pk", flat=True)[: FEW + 1])
    versions = Version.objects.filter(environment__in=few)
    if len(few) > FEW:
        versions = Version.objects.named().filter(
            environment__workspace=workspace, environment__name__icontains=query
        )
    return images.filter(known | Q(hash__in=versions.values("hash")))
