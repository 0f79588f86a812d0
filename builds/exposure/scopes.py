"""The workspaces that an answer covers, and the packages that are in their images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from builds.models import BasePackage, Image, ImagePackage, Package, PastPackage

FEW = 2_000  # images that are looked up one by one
NOBODY = -1  # no image

Scope = Iterable[int] | None
"""Keys of workspaces, or None for all."""


def within(rows: QuerySet[Any], scope: Scope, key: str = "workspace") -> QuerySet[Any]:
    """Return the rows of these workspaces; `key` leads to the workspace."""
    return rows if scope is None else rows.filter(**{f"{key}__in": list(scope)})


def in_current_images(rows: QuerySet[ImagePackage], scope: Scope) -> QuerySet[ImagePackage]:
    """Return the rows of packages that are in a current image of these workspaces, for look-ups by package."""
    images = within(Image.objects.filter(current=True), scope).order_by().values("pk")
    if scope is not None and images[: FEW + 1].count() <= FEW:
        return rows.filter(image__in=images)
    # A sum is in no index, and a condition with OR becomes no join: the database lists the images once and reads
    # a package's rows until it has enough, instead of looking up each image.
    return rows.alias(number=F("image") + 0).filter(Q(number__in=images) | Q(number=NOBODY))


def seen_packages(packages: Iterable[int], scope: Scope) -> set[int]:
    """Return those of some packages that are or were in an image of these workspaces."""
    chosen = set(packages)
    if scope is None:
        return chosen
    where = list(scope)
    direct = ImagePackage.objects.filter(package=OuterRef("pk"), image__workspace__in=where)
    past = PastPackage.objects.filter(package=OuterRef("pk"), image__workspace__in=where)
    images = Image.objects.filter(workspace__in=where, base_contents=OuterRef("base_digest"))
    on_bases = BasePackage.objects.filter(Exists(images), package=OuterRef("pk"))
    rows = Package.objects.filter(Q(Exists(direct)) | Q(Exists(on_bases)) | Q(Exists(past)), pk__in=chosen)
    return set(rows.values_list("pk", flat=True))
