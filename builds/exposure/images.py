"""The images that are exposed, newest first: those in use, all current ones, and past ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from builds.exposure.among import among
from builds.exposure.scopes import NOBODY, Scope, within
from builds.exposure.subjects import Subject
from builds.models import BasePackage, Image, ImagePackage, PastImage, PastPackage
from environments.models import Usage, VersionEntry, VersionLabel, Workspace

MOST = 1_000  # that are counted, and can be paged through
FIRST = 3_000  # versions that are looked at before all others


def exposed_images(subject: Subject, scope: Scope, *, used: bool = True) -> list[int]:
    """Return the keys of current images with an affected package, newest first, at most one more than are counted.

    With `used`, only those in use. Among a workspace's images are those of the catalogue that its versions use.
    """
    images = Image.objects.filter(current=True)
    if used and not subject.rare:
        return _used_images(images, subject, scope)
    images = images.filter(_held(subject))
    if used:
        images = images.filter(in_use(scope))
    elif scope is not None:
        images = images.filter(Q(workspace__in=list(scope)) | in_use(scope))
    return list(images.order_by("-pk").values_list("pk", flat=True)[: MOST + 1])


def _used_images(images: QuerySet[Image], subject: Subject, scope: Scope) -> list[int]:
    """Return the exposed images of the versions in use: a popular package is in many more that nobody uses."""
    direct = ImagePackage.objects.filter(package__in=subject.packages)
    # A sum is in no index, and a condition with OR becomes no join: the packages' images are listed once.
    on_base = Q(base_contents__in=list(subject.digests)) if subject.digests else Q(number=NOBODY)
    held = images.alias(number=F("pk") + 0).filter(Q(number__in=direct.values("image")) | on_base)
    own = held.filter(workspace=OuterRef("workspace"), hash=OuterRef("hash")).order_by().values("pk")[:1]
    entries = within(VersionEntry.objects.all(), scope)
    latest = entries.filter(latest=True, archived=False)
    labels = VersionLabel.objects.values("version")
    others = entries.filter(
        Q(version__in=labels) | Q(version__in=Usage.objects.filter(ended_at=None).values("version"))
    )
    result: set[int] = set()
    for rows in (latest, others):
        for image in _images_of(rows, own):
            if image is not None:
                result.add(image)
            if len(result) > MOST:
                return sorted(result, reverse=True)
    catalogues = Workspace.objects.filter(curated=True)
    shared = held.filter(workspace__in=list(catalogues.values_list("pk", flat=True)))
    result.update(shared.filter(in_use(scope)).values_list("pk", flat=True)[:MOST])
    return sorted(result, reverse=True)[: MOST + 1]


def _images_of(entries: QuerySet[VersionEntry], image: QuerySet[Any, Any]) -> Iterator[int | None]:
    """Yield the image of each version, the newest first.

    The first are a query of their own: outside of a transaction, PostgreSQL has all rows of a cursor before the first.
    """
    chosen = entries.order_by("-pk").annotate(image=Subquery(image))
    rows: QuerySet[Any, tuple[int, int | None]] = chosen.values_list("pk", "image")
    first = list(rows[:FIRST])
    yield from (key for _, key in first)
    if len(first) == FIRST:
        yield from (key for _, key in rows.filter(pk__lt=first[-1][0]).iterator())


def held_images(subject: Subject, scope: Scope) -> QuerySet[Image]:
    """Return the images with an affected package, whether they are current or were replaced."""
    return within(Image.objects.all(), scope).filter(_held(subject))


def replaced_images(subject: Subject, scope: Scope) -> QuerySet[Image]:
    """Return the images that a rebuild replaced and that were exposed, newest first."""
    images = within(Image.objects.filter(current=False), scope)
    return images.filter(_held(subject)).order_by("-pk")


def past_images(subject: Subject, scope: Scope) -> QuerySet[PastImage]:
    """Return the deleted images that were exposed, newest first."""
    rows = PastPackage.objects.filter(package__in=subject.packages)
    held = Q(pk__in=rows.values("image"))
    if subject.digests:
        held |= Q(base_digest__in=subject.digests)
    return within(PastImage.objects.filter(held), scope).order_by("-pk")


def _held(subject: Subject) -> Q:
    """Return the condition that an image has one of a subject's packages itself, or is on one of its bases.

    Images with a rare package are looked up by it. Nearly all have a popular one: reading them in order ends sooner.
    """
    rows = ImagePackage.objects.filter(package__in=subject.packages)
    held = Q(pk__in=rows.values("image")) if subject.rare else Q(Exists(rows.filter(image=OuterRef("pk"))))
    return held | Q(base_contents__in=list(subject.digests)) if subject.digests else held


def exposed_among(images: dict[int, str], subject: Subject) -> set[int]:
    """Return those of some images, given with what they have of their bases, that are exposed."""
    rows = ImagePackage.objects.filter(among("image", images), package__in=subject.packages)
    on_bases = {pk for pk, digest in images.items() if digest in subject.digests}
    return on_bases | set(rows.values_list("image", flat=True))


def holds_any(packages: QuerySet[Any]) -> Q:
    """Return the condition that an image has a package of a subquery, itself or by its base."""
    direct = ImagePackage.objects.filter(image=OuterRef("pk"), package__in=packages)
    on_base = BasePackage.objects.filter(base_digest=OuterRef("base_contents"), package__in=packages)
    return Q(Exists(direct) | Exists(on_base))


def in_use(scope: Scope = None) -> Exists:
    """Return the condition that an image is in use: of a latest version, or of one with a label or an active use.

    An image of the catalogue serves the versions of every workspace.
    """
    entries = within(VersionEntry.objects.filter(hash=OuterRef("hash")), scope)
    shared = Workspace.objects.filter(curated=True, pk=OuterRef(OuterRef("workspace")))
    entries = entries.filter(Q(workspace=OuterRef("workspace")) | Q(Exists(shared)))
    return Exists(entries.filter(used_entry()))


def used_entry() -> Q:
    """Return the condition that a version's entry is in use."""
    labels = VersionLabel.objects.filter(version=OuterRef("version"))
    uses = Usage.objects.filter(
        environment=OuterRef("environment"), version=OuterRef("version"), ended_at=None
    )
    return Q(latest=True, archived=False) | Exists(labels) | Exists(uses)


def bounded(rows: QuerySet[Any]) -> int:
    """Return how many rows there are, at most one more than are counted."""
    return rows.order_by().values("pk")[: MOST + 1].count()
