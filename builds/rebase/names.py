"""Move names from images to their successors: in the studio's store, and in the workspace's registry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.db.models import F, Value
from django.db.models.functions import Concat

from builds.imaging.oci.index import digests_of, image_of
from builds.imaging.publish.moving import Mover
from builds.imaging.reporting import ImageError
from builds.models import Image, PushedTag, RebasedImage
from builds.queue import registry_tags
from builds.rebase.context import PUSHES, Context
from environments.definition.syntax.registry_names import LATEST, tag_of


@dataclass
class _Move:
    """The tags of one repository that go to an image. `rows` are those of versions, labels and `latest`."""

    image: Image
    before: str
    repository: str
    tags: list[str]
    rows: list[PushedTag] = field(default_factory=list)
    problem: str = ""


def move_names(moved: Sequence[tuple[RebasedImage, Image]], context: Context) -> Mapping[int, str]:
    """Move the names of images that were rebased; return the problem of each that its registry does not take.

    Names of versions that a registry does not take are pushed again later, as always.
    """
    store = context.workshop.store
    store.tag_all({f"{image.name}:{LATEST}": image_of(store, image.digest) for _, image in moved})
    pushed = [(item, image) for item, image in moved if _belongs_in(item, context)]
    mover = context.mover
    if mover is None or not pushed:
        return {}
    by_hash = [_Move(image, item.digest_before, image.repository, [LATEST]) for item, image in pushed]
    _run(by_hash, mover, context)
    problems = {move.image.pk: move.problem for move in by_hash if move.problem}
    _record_pushed([image for _, image in pushed if image.pk not in problems], context)
    by_version = _of_versions([(item, image) for item, image in pushed if image.pk not in problems], context)
    _run(by_version, mover, context)
    registry_tags.record_all_pushed(row for move in by_version if not move.problem for row in move.rows)
    for move in by_version:
        for row in move.rows if move.problem else []:
            registry_tags.record_failed(row, move.problem)
    return {item.pk: problems[image.pk] for item, image in pushed if image.pk in problems}


def _belongs_in(item: RebasedImage, context: Context) -> bool:
    """Return whether the image before was in the workspace's registry."""
    before = item.image
    return before is not None and before.pushed_to == f"{context.workspace.registry}/{before.repository}"


def _record_pushed(images: Sequence[Image], context: Context) -> None:
    there = Concat(Value(f"{context.workspace.registry}/"), F("repository"))
    Image.objects.filter(pk__in=[image.pk for image in images]).update(pushed_to=there)


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
        moves.append(_Move(successors[before], before, repository, tags, rows))
    return moves


def _run(moves: Sequence[_Move], mover: Mover, context: Context) -> None:
    """Move the tags, several at a time; each move gets the problem that it met."""
    store = context.workshop.store

    def run(move: _Move) -> None:
        try:
            new, origin = image_of(store, move.image.digest), move.image.repository
            if not move.rows:  # sent before its row changed
                mover.move(move.repository, new, move.tags, before=None)
                return
            kept = store.has(move.before)
            before = digests_of(store, image_of(store, move.before)) if kept else set()
            mover.move(move.repository, new, move.tags, before=before, origin=origin)
        except (ImageError, OSError) as error:
            move.problem = str(error)

    with ThreadPoolExecutor(PUSHES, thread_name_prefix="names") as pool:
        for _ in pool.map(run, moves):
            context.reporter.beat()
