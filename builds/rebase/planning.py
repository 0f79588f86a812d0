"""Plan a rebase: what becomes of each image on a base, and why. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from django.db import transaction
from django.db.models import QuerySet

from builds.images.platforms import locks_of
from builds.imaging.reporting import ImageError
from builds.models import Image, Rebase, RebasedImage
from builds.models.rebases import Fate
from builds.queue import rebases
from builds.rebase.candidates import definitions_of, images_on
from builds.rebase.context import STOPPED, Context
from builds.rebase.obstacles import Obstacle, obstacle
from builds.rebase.reporting import ClaimLost, RebaseReporter
from environments.definition import Definition
from environments.models import Workspace

BATCH = 50


def plan(rebase: Rebase, reporter: RebaseReporter) -> None:
    """Write a row for each image that is on the base and has yet to move. Raises ClaimLost."""
    RebasedImage.objects.filter(rebase=rebase).delete()
    for workspace in workspaces_of(images_on(rebase)):
        images = images_on(rebase).filter(workspace=workspace)
        with closing(Context(workspace, rebase.target, reporter)) as context:
            for batch in batches(images):
                _plan_batch(rebase, batch, context)


def _plan_batch(rebase: Rebase, keys: Sequence[int], context: Context) -> None:
    context.reporter.check()
    images = list(Image.objects.filter(pk__in=keys).order_by("pk").prefetch_related("platform_rows"))
    definitions = definitions_of(context.workspace, [image.hash for image in images])
    rows = [_planned(rebase, image, definitions.get(image.hash), context) for image in images]
    with transaction.atomic():
        if not rebases.claimed(rebase).exists():
            raise ClaimLost
        RebasedImage.objects.bulk_create([row for row in rows if row is not None])


def _planned(
    rebase: Rebase, image: Image, definition: Definition | None, context: Context
) -> RebasedImage | None:
    """Return the row of an image; None if it is on that base already."""
    row = row_of(rebase, image)
    why: Obstacle | None
    try:
        bases = context.bases(image.platforms)
        if (image.base, image.base_digest) == (context.target, bases.digest):
            return None
        row.base_after, row.base_digest_after = context.target, bases.digest
        store = context.workshop.store
        why = obstacle(image, definition, locks_of(image), context.target, bases, store)
    except ImageError as error:
        if error.code == STOPPED:
            raise
        why = Obstacle(error.code, str(error), rebuilds=False)
    if why is not None:
        # A build takes the new base by itself where the tag of its own base has moved.
        row.fate = Fate.REBUILD if why.rebuilds and rebase.base == rebase.target else Fate.REFUSED
        row.reason_code, row.reason = why.code, why.reason[:600]
    return row


def row_of(rebase: Rebase, image: Image) -> RebasedImage:
    """Return a new row of an image in a rebase, which is not saved."""
    return RebasedImage(
        rebase=rebase,
        image=image,
        workspace_id=image.workspace_id,
        hash=image.hash,
        digest_before=image.digest,
        base_before=image.base,
        base_digest_before=image.base_digest,
    )


def workspaces_of(rows: QuerySet[Image] | QuerySet[RebasedImage]) -> list[Workspace]:
    """Return the workspaces of these rows."""
    keys = set(rows.order_by().values_list("workspace", flat=True).distinct())
    return list(Workspace.objects.filter(pk__in=keys).order_by("pk"))


def batches(rows: QuerySet[Image] | QuerySet[RebasedImage]) -> Iterator[list[int]]:
    """Yield the keys of these rows as they are now, a batch at a time."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(keys), BATCH):
        yield keys[first : first + BATCH]
