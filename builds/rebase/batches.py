"""Rebase images by the batch: documents are written, pushed, and then all rows change in one transaction.

Names move after that. Whatever happens on the way, each image is the old one or the new one: registries are given the
new manifests by digest first, and rows say which names have yet to move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from builds.images.platforms import locks_of
from builds.imaging.bases.model import Bases
from builds.imaging.lock import Lock
from builds.imaging.oci.index import blobs_of, image_of
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.publish.moving import Mover
from builds.imaging.rebasing.own_layers import NotOurs
from builds.imaging.rebasing.rebase import Rebased, rebased
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from builds.models import Image, Rebase, RebasedImage
from builds.models.rebases import Fate
from builds.queue import rebases
from builds.rebase.candidates import definitions_of
from builds.rebase.context import Context
from builds.rebase.ending import record_batch
from builds.rebase.names import move_names
from builds.rebase.obstacles import Obstacle, obstacle
from builds.rebase.planning import ClaimLost
from builds.rebase.rows import save_rebased, update_floating
from environments.definition import Definition

PUSHES = 4  # at a time

AfterPublish = Callable[[Sequence[Image], Workshop, Reporter], None]
AFTER_PUBLISH: list[AfterPublish] = []
"""What follows once rebased images have their rows and names: called with the new images of a workspace."""


@dataclass(frozen=True)
class Ready:
    """An image whose successor is in the store and in the workspace's registry, under no name yet."""

    item: RebasedImage
    image: Image
    new: Rebased
    bases: Bases
    pushed_to: str
    interpreter_path: str

    @property
    def descriptor(self) -> Descriptor:
        """The successor."""
        return self.new.image.descriptor


def run_batch(rebase: Rebase, items: Sequence[RebasedImage], context: Context) -> int:
    """Rebase planned images of one workspace, and return how many. Raises ClaimLost, Cancelled."""
    definitions = definitions_of(context.workspace, [item.hash for item in items])
    prepared = [_prepared(item, definitions.get(item.hash), context) for item in items]
    ready = list(_pushed([each for each in prepared if isinstance(each, Ready)], context))
    for item, each in zip(items, prepared, strict=True):
        if isinstance(each, Obstacle):
            refuse(item, each)
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


def _prepared(item: RebasedImage, definition: Definition | None, context: Context) -> Ready | Obstacle:
    """Write the successor of an image into the store."""
    context.reporter.check()
    image = item.image
    if image is None or not image.current or image.digest != item.digest_before:
        return Obstacle("moved", "A newer image replaced it in the meantime.")
    store = context.workshop.store
    try:
        bases = context.bases(image.platforms)
        locks = locks_of(image)
        why = obstacle(image, definition, locks, context.target, bases, store)
        if why is not None:
            return why
        path = definition.python.interpreter_path if definition is not None else ""
        return _written(item, image, bases, locks, path, context)
    except ImageError as error:
        if error.code == "cancelled":
            raise
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
    pushed_to = registry if image.pushed_to == registry else ""
    return Ready(item, image, new, bases, pushed_to, interpreter_path)


def _pushed(ready: Sequence[Ready], context: Context) -> Iterator[Ready]:
    """Push the successors of images that are in the registry, and yield all that are there where they should be."""
    pushing = [each for each in ready if each.pushed_to]
    yield from (each for each in ready if not each.pushed_to)
    mover = context.mover
    if not pushing or mover is None:
        return
    for each in {id(each.bases): each for each in pushing}.values():
        for base in each.bases.each:
            context.learn_origins(base)
    # Layers of the new base go there with the first; all others take them over.
    first, others = pushing[0], pushing[1:]
    with ThreadPoolExecutor(PUSHES, thread_name_prefix="rebase") as pool:
        for each, why in [
            (first, _push(mover, context, first)),
            *zip(others, pool.map(partial(_push, mover, context), others), strict=True),
        ]:
            if why is None:
                yield each
            else:
                refuse(each.item, why)
    for base in first.bases.each:
        context.remember_origins(base, first.image.repository)


def _push(mover: Mover, context: Context, each: Ready) -> Obstacle | None:
    store = context.workshop.store
    try:
        before = {blob.digest for blob in blobs_of(store, image_of(store, each.image.digest))}
        mover.move(each.image.repository, each.descriptor, [each.descriptor.digest], before=before)
    except ImageError as error:
        return Obstacle(error.code, str(error))
    return None


def _saved(rebase: Rebase, ready: Sequence[Ready], context: Context) -> list[Ready]:
    """Write all rows of a batch in one transaction; return those whose images were still current."""
    with transaction.atomic():
        if not rebases.claimed(rebase).select_for_update().exists():
            raise ClaimLost
        at = timezone.now()
        done, rows = [], []
        for each in ready:
            row = save_rebased(
                each.image,
                each.new,
                each.bases,
                context.target,
                at,
                pushed_to=each.pushed_to,
                interpreter_path=each.interpreter_path,
            )
            fields: dict[str, Any] = {"fate": Fate.MOVED, "reason_code": "moved"}
            if row is not None:
                done.append(each)
                rows.append(row)
                if row.floating:
                    update_floating(row.base, row.platforms, row.base_digest, at)
                fields = {
                    "fate": Fate.REBASED,
                    "digest_after": row.digest,
                    "base_after": row.base,
                    "base_digest_after": row.base_digest,
                    "at": at,
                }
            RebasedImage.objects.filter(pk=each.item.pk).update(**fields)
        if rows:
            record_batch(rebase, context.workspace, rows)
        return done


def finish_names(items: Sequence[RebasedImage], context: Context) -> None:
    """Move the names of rebased images, in the store and in the registry, and record that they have moved."""
    keys = [item.pk for item in items]
    moved = list(RebasedImage.objects.filter(pk__in=keys, fate=Fate.REBASED))
    images = Image.objects.filter(
        workspace=context.workspace, digest__in=[item.digest_after for item in moved], current=True
    )
    rows = {(row.hash, row.digest): row for row in images.defer("lock", "layers")}
    move_names(
        [(i, rows[i.hash, i.digest_after]) for i in moved if (i.hash, i.digest_after) in rows], context
    )
    for follow in AFTER_PUBLISH:
        follow(list(rows.values()), context.workshop, context.reporter)
    RebasedImage.objects.filter(pk__in=keys, fate=Fate.REBASED).update(named=True)
