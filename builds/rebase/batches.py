"""Rebase images by the batch: documents are written and sent, then all rows change in one transaction.

The next batches are prepared meanwhile, so that the studio and the registry are busy at the same time. Names move after
that. At each moment an image is the old or the new image, and rows say whose names have yet to move: a new image counts
as pushed once its registry has it under its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from builds.images.platforms import locks_of
from builds.imaging.bases.model import Bases
from builds.imaging.lock import Lock
from builds.imaging.oci.index import digests_of, image_of
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.publish.moving import Mover
from builds.imaging.rebasing.own_layers import NotOurs
from builds.imaging.rebasing.rebase import rebased
from builds.imaging.reporting import ImageError
from builds.models import Image, Rebase, RebasedImage
from builds.models.many import update_each
from builds.models.rebases import Fate
from builds.queue import rebases
from builds.rebase.candidates import definitions_of
from builds.rebase.context import STOPPED, Context
from builds.rebase.ending import record_batch
from builds.rebase.names import move_names
from builds.rebase.obstacles import Obstacle, obstacle
from builds.rebase.reporting import ClaimLost
from builds.rebase.rows import Successor, save_successors
from environments.definition import Definition

WAIT_SECONDS = 1.0  # between two heartbeats, at least


@dataclass(frozen=True)
class Ready(Successor):
    """An image whose successor is in the store, and its blobs in the workspace's registry if it is to be pushed."""

    item: RebasedImage
    pushed: bool

    @property
    def descriptor(self) -> Descriptor:
        """The successor."""
        return self.new.image.descriptor


@dataclass(frozen=True)
class Begun:
    """A batch whose documents are being written and sent; its outcomes are in the order of its items."""

    items: Sequence[RebasedImage]
    outcomes: Sequence[Future[Ready | Obstacle]]


def begin_batch(items: Sequence[RebasedImage], context: Context) -> Begun:
    """Have the context's threads prepare planned images of one workspace; no row and no name changes.

    Raises ClaimLost, Cancelled.
    """
    definitions = definitions_of(context.workspace, [item.hash for item in items])
    for platforms in {item.image.platforms for item in items if item.image is not None}:
        try:
            for base in context.bases(platforms).each:
                context.learn_origins(base)
        except ImageError as error:
            if error.code == STOPPED:
                raise
            # Each of its images gets the reason.
    return Begun(
        items,
        [context.pool.submit(_sent, item, definitions.get(item.hash), context) for item in items],
    )


def complete_batch(rebase: Rebase, batch: Begun, context: Context) -> int:
    """Make prepared images the current ones, and return how many. Raises ClaimLost."""
    while wait(batch.outcomes, timeout=WAIT_SECONDS).not_done:
        context.reporter.beat()
    context.reporter.beat()
    ready: list[Ready] = []
    for item, outcome in zip(batch.items, batch.outcomes, strict=True):
        each = outcome.result()
        if isinstance(each, Obstacle):
            refuse(item, each)
        else:
            ready.append(each)
    if (first := next((each for each in ready if each.pushed), None)) is not None:
        for base in first.bases.each:
            context.remember_origins(base, first.image.repository)
    done = _saved(rebase, ready, context) if ready else []
    if done:
        finish_names([each.item for each in done], context)
    return len(done)


def refuse(item: RebasedImage, why: Obstacle) -> None:
    """Record that an image stays as it is, and why."""
    fate = Fate.MOVED if why.code == "moved" else Fate.REFUSED
    RebasedImage.objects.filter(pk=item.pk, fate=Fate.REBASE).update(
        fate=fate, reason_code=why.code, reason=why.reason[:600]
    )


def _sent(item: RebasedImage, definition: Definition | None, context: Context) -> Ready | Obstacle:
    """Prepare an image, and send what its successor has that is not in the registry, if it belongs there."""
    each = _prepared(item, definition, context)
    mover = context.mover
    if isinstance(each, Obstacle) or not each.pushed or mover is None:
        return each
    return _push(mover, context, each) or each


def _prepared(item: RebasedImage, definition: Definition | None, context: Context) -> Ready | Obstacle:
    """Write the successor of an image into the store."""
    image = item.image
    if image is None or not image.current or image.digest != item.digest_before:
        return Obstacle("moved", "A newer image replaced it in the meantime.")
    store = context.workshop.store
    try:
        bases = context.bases(image.platforms)
        if (image.base, image.base_digest) == (context.target, bases.digest):
            return Obstacle("same", "It is on this base already.", rebuilds=False)
        locks = locks_of(image)
        why = obstacle(image, definition, locks, context.target, bases, store)
        if why is not None:
            return why
        path = definition.python.interpreter_path if definition is not None else ""
        return _written(item, image, bases, locks, path, context)
    except ImageError as error:
        return Obstacle(error.code, str(error))
    except (OSError, NotOurs, ValueError, KeyError):
        return Obstacle("unreadable", "The studio's store no longer has what it takes to rebase this image.")


def _written(
    item: RebasedImage,
    image: Image,
    bases: Bases,
    locks: Mapping[str, Lock],
    interpreter_path: str,
    context: Context,
) -> Ready | Obstacle:
    store = context.workshop.store
    by_platform = dict(zip(image.platforms.split(","), bases.each, strict=True))
    old = image_of(store, image.digest)
    new = rebased(old, by_platform, locks, image.hash, context.made, context.workshop)
    if not context.whole([layer["digest"] for layer in new.image.layers_of_all]):
        return Obstacle("blob-missing", "The studio's store lacks layers of this image.")
    # Names follow the row of an image that is in the registry; others are pushed by their next build.
    registry = f"{context.workspace.registry}/{image.repository}"
    pushed = bool(context.workspace.registry) and image.pushed_to == registry
    return Ready(image, new, bases, context.target, interpreter_path, item, pushed)


def _push(mover: Mover, context: Context, each: Ready) -> Obstacle | None:
    store = context.workshop.store
    try:
        before = digests_of(store, image_of(store, each.image.digest))
        mover.move(each.image.repository, each.descriptor, [], before=before)
    except ImageError as error:
        return Obstacle(error.code, str(error))
    return None


def _saved(rebase: Rebase, ready: Sequence[Ready], context: Context) -> list[Ready]:
    """Write all rows of a batch in one transaction; return those whose images were still current."""
    with transaction.atomic():
        if not rebases.claimed(rebase).select_for_update().exists():
            raise ClaimLost
        at = timezone.now()
        rows = save_successors(ready, at)
        for each in ready:
            row, item = rows.get(each.image.pk), each.item
            if row is None:
                item.fate, item.reason_code = Fate.MOVED, "moved"
                continue
            item.fate, item.at, item.digest_after = Fate.REBASED, at, row.digest
            item.base_after, item.base_digest_after = row.base, row.base_digest
        update_each(
            [each.item for each in ready],
            ["fate", "reason_code", "at", "digest_after", "base_after", "base_digest_after"],
        )
        if rows:
            record_batch(rebase, context.workspace, list(rows.values()))
        return [each for each in ready if each.image.pk in rows]


def finish_names(items: Sequence[RebasedImage], context: Context) -> None:
    """Move the names of rebased images, in the store and in the registry, and record that they have moved."""
    keys = [item.pk for item in items]
    moved = list(
        RebasedImage.objects.filter(pk__in=keys, fate=Fate.REBASED)
        .select_related("image")
        .defer("image__lock", "image__layers")
    )
    images = Image.objects.filter(
        workspace=context.workspace, digest__in=[item.digest_after for item in moved], current=True
    )
    rows = {(row.hash, row.digest): row for row in images.select_related("workspace").defer("lock", "layers")}
    move_names(
        [(i, rows[i.hash, i.digest_after]) for i in moved if (i.hash, i.digest_after) in rows], context
    )
    RebasedImage.objects.filter(pk__in=keys, fate=Fate.REBASED).update(named=True)
