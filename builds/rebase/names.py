"""Move names from images to their successors: in the studio's store, and in the workspace's registry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from builds.imaging.oci.index import blobs_of, image_of
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.publish.moving import Mover
from builds.imaging.reporting import ImageError
from builds.models import Image, PushedTag, RebasedImage
from builds.queue import registry_tags
from builds.rebase.context import Context
from environments.definition.syntax.registry_names import LATEST, tag_of

PUSHES = 4  # at a time


@dataclass
class _Move:
    """The tags of one repository that go to an image."""

    repository: str
    image: Image
    before: str
    tags: list[str]
    rows: list[PushedTag]
    problem: str = ""


def move_names(moved: Sequence[tuple[RebasedImage, Image]], context: Context) -> None:
    """Move the names of images that were rebased. Those that a registry does not take are pushed again later."""
    store = context.workshop.store
    store.tag_all({f"{image.name}:{LATEST}": image_of(store, image.digest) for _, image in moved})
    pushed = [(item, image) for item, image in moved if image.pushed_to]
    mover = context.mover
    if mover is None or not pushed:
        return
    by_hash = [_Move(image.repository, image, item.digest_before, [LATEST], []) for item, image in pushed]
    moves = [*by_hash, *_of_versions(pushed, context)]
    with ThreadPoolExecutor(PUSHES, thread_name_prefix="names") as pool:
        for move in pool.map(lambda move: _moved(move, mover, context), moves):
            if not move.rows:
                if move.problem:
                    context.reporter.line(move.problem)
            elif move.problem:
                for row in move.rows:
                    registry_tags.record_failed(row, move.problem)
    registry_tags.record_all_pushed(row for move in moves if not move.problem for row in move.rows)


def _of_versions(pushed: Sequence[tuple[RebasedImage, Image]], context: Context) -> list[_Move]:
    """Return the moves of versions' names, labels and `latest`, each repository's together."""
    successors = {item.digest_before: image for item, image in pushed}
    grouped: dict[tuple[str, str], list[PushedTag]] = defaultdict(list)
    for row in registry_tags.claim_tags_of(successors, context.workspace):
        grouped[row.environment.repository, row.digest].append(row)
    moves = []
    for (repository, before), rows in grouped.items():
        tags = [tag_of(row.version.version) if row.version else row.label or LATEST for row in rows]
        for row in rows:
            row.digest = successors[before].digest
        moves.append(_Move(repository, successors[before], before, tags, rows))
    return moves


def _moved(move: _Move, mover: Mover, context: Context) -> _Move:
    store = context.workshop.store
    new = image_of(store, move.image.digest)
    try:
        before = _blobs(store.has(move.before) and image_of(store, move.before), context)
        of_hash = not move.rows
        if of_hash:
            before |= {blob.digest for blob in blobs_of(store, new)}
        mover.move(
            move.repository, new, move.tags, before=before, origin="" if of_hash else move.image.repository
        )
    except ImageError as error:
        move.problem = str(error)
    return move


def _blobs(image: Descriptor | bool, context: Context) -> set[str]:
    if not isinstance(image, Descriptor):
        return set()
    return {blob.digest for blob in blobs_of(context.workshop.store, image)}
