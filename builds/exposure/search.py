"""The answer to a question about exposure: the subject, the images of a page, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from builds.exposure.images import (
    MOST,
    bounded,
    exposed_images,
    held_images,
    past_images,
    replaced_images,
)
from builds.exposure.rows import ExposedImage, rows_of
from builds.exposure.scopes import Scope
from builds.exposure.settled import settled_on
from builds.exposure.subjects import Subject, subject_of
from builds.models import Image, PastImage

ROWS = 50
SHOWN_OF_IMAGE = (
    *("hash", "digest", "repository", "base", "base_digest", "base_contents", "current", "made_at"),
    *("workspace__name", "workspace__title", "workspace__curated"),
)
SHOWN = ("used", "current", "past")


@dataclass
class Answer:
    """The page of an answer. `since` is the build of the first image ever that was exposed."""

    subject: Subject
    shown: str = "used"
    images: list[ExposedImage] = field(default_factory=list)
    past: list[PastImage] = field(default_factory=list)
    """On the page of past images, those that were deleted; `images` are those that were replaced."""
    count: int = 0
    settled: int = 0
    """Images that don't count, as decisions settle every advisory of the subject on them; they are listed."""
    more_than_counted: bool = False
    page: int = 1
    more: bool = False
    since: datetime | None = None


def search(
    text: str, *, scope: Scope, seen: Scope = None, shown: str = "used", page: int = 1
) -> Answer | None:
    """Return the images with what a name means, in these workspaces; None for a name that means nothing.

    `seen` are the workspaces that the user sees, None for all: names and uses of others are not shown.
    """
    subject = subject_of(text, seen)
    if subject is None:
        return None
    return answer(subject, scope=scope, seen=seen, shown=shown, page=page)


def answer(
    subject: Subject, *, scope: Scope, seen: Scope = None, shown: str = "used", page: int = 1
) -> Answer:
    """Return a page of the images that are exposed: those in use, all current ones, or past ones."""
    where = list(scope) if scope is not None else None
    result = Answer(subject, shown if shown in SHOWN else "used", page=max(1, page))
    if not subject.hits:
        return result
    first = (result.page - 1) * ROWS
    if result.shown == "past":
        replaced, deleted = replaced_images(subject, where), past_images(subject, where)
        keys = list(replaced.values_list("pk", flat=True)[: MOST + 1])
        result.past = list(deleted.select_related("workspace")[first : first + ROWS])
        result.count = bounded(deleted)
    else:
        keys = exposed_images(subject, where, used=result.shown == "used")
    result.more = max(len(keys), result.count) > first + ROWS
    result.count += len(keys)
    result.more_than_counted = result.count > MOST
    on_page = keys[first : first + ROWS]
    # Past images are not counted: only those on the page are looked at.
    settled = settled_on(on_page if result.shown == "past" else keys, subject.advisories, where)
    if result.shown != "past":
        numbers = Counter(image for image, _ in settled)
        result.settled = sum(number == len(subject.advisories) for number in numbers.values())
        result.count -= result.settled
    result.images = rows_of(_images(on_page), subject, settled, where, seen)
    result.since = first_exposed(subject, where)
    return result


def _images(keys: list[int]) -> list[Image]:
    rows = Image.objects.select_related("workspace").only(*SHOWN_OF_IMAGE).in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


def first_exposed(subject: Subject, scope: Iterable[int] | None) -> datetime | None:
    """Return when the first image was built that was exposed, of all that were ever made in these workspaces."""
    rows = (
        held_images(subject, scope).order_by("pk").values_list("made_at", flat=True),
        past_images(subject, scope).order_by("built_at").values_list("built_at", flat=True),
    )
    return min((at for each in rows if (at := each.first()) is not None), default=None)
