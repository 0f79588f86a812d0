"""The images that are exposed, newest first: those in use, all current ones, and past ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from builds.exposure.subjects import Subject
from builds.models import BasePackage, Image, ImagePackage, PastImage, PastPackage
from environments.models import Usage, VersionEntry, VersionLabel, Workspace

Scope = Iterable[int] | None
"""Keys of workspaces, or None for all."""

MOST = 10_000  # that are counted


def exposed_images(subject: Subject, scope: Scope, *, used: bool = True) -> QuerySet[Image]:
    """Return the current images of workspaces with an affected package, newest first; `used` leaves out the others."""
    images = within(Image.objects.filter(current=True), scope)
    images = images.filter(holds(subject.packages, subject.digests))
    if used:
        images = images.filter(in_use(scope))
    return images.order_by("-pk")


def replaced_images(subject: Subject, scope: Scope) -> QuerySet[Image]:
    """Return the images that a rebuild replaced and that were exposed, newest first."""
    images = within(Image.objects.filter(current=False), scope)
    return images.filter(holds(subject.packages, subject.digests)).order_by("-pk")


def past_images(subject: Subject, scope: Scope) -> QuerySet[PastImage]:
    """Return the deleted images that were exposed, newest first."""
    rows = PastPackage.objects.filter(package__in=subject.packages)
    held = Q(pk__in=rows.values("image"))
    if subject.digests:
        held |= Q(base_digest__in=subject.digests)
    return within(PastImage.objects.filter(held), scope).order_by("-pk")


def within(rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
    """Return the rows of these workspaces."""
    return rows if scope is None else rows.filter(workspace__in=list(scope))


def holds(packages: list[int], digests: Iterable[str]) -> Q:
    """Return the condition that an image has one of these packages itself, or is on one of these bases."""
    held = Q(pk__in=ImagePackage.objects.filter(package__in=packages).values("image"))
    here = list(digests)
    return held | Q(base_digest__in=here) if here else held


def holds_any(packages: QuerySet[Any]) -> Q:
    """Return the condition that an image has a package of a subquery, itself or by its base."""
    direct = ImagePackage.objects.filter(image=OuterRef("pk"), package__in=packages)
    on_base = BasePackage.objects.filter(base_digest=OuterRef("base_digest"), package__in=packages)
    return Q(Exists(direct) | Exists(on_base))


def in_use(scope: Scope = None) -> Exists:
    """Return the condition that an image is in use: of a latest version, or of one with a label or an active use.

    An image of the catalogue serves the versions of every workspace.
    """
    entries = VersionEntry.objects.filter(hash=OuterRef("hash"))
    entries = within(entries, scope).filter(
        Q(workspace=OuterRef("workspace")) | Q(Exists(_curated(OuterRef(OuterRef("workspace")))))
    )
    return Exists(entries.filter(used_entry()))


def _curated(workspace: Any) -> QuerySet[Workspace]:
    return Workspace.objects.filter(pk=workspace, curated=True)


def used_entry() -> Q:
    """Return the condition that a version's entry is in use."""
    labels = VersionLabel.objects.filter(version=OuterRef("version"))
    uses = Usage.objects.filter(
        environment=OuterRef("environment"), version=OuterRef("version"), ended_at=None
    )
    return Q(latest=True, archived=False) | Exists(labels) | Exists(uses)


def bounded(rows: QuerySet[Any], most: int = MOST) -> tuple[int, bool]:
    """Return how many rows there are, and whether there are more than are counted."""
    count = rows.order_by()[: most + 1].count()
    return min(count, most), count > most
