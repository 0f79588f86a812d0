"""The answer to a question about exposure: the subject, the images of a page, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from builds.exposure.images import (
    Scope,
    bounded,
    exposed_images,
    past_images,
    replaced_images,
)
from builds.exposure.rows import ExposedImage, rows_of
from builds.exposure.subjects import Subject, subject_of
from builds.models import PastImage

ROWS = 50
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
    more_than_counted: bool = False
    page: int = 1
    more: bool = False
    since: datetime | None = None


def search(text: str, *, scope: Scope, shown: str = "used", page: int = 1) -> Answer | None:
    """Return the images with what a name means, in these workspaces; None for a name that means nothing."""
    subject = subject_of(text)
    return answer(subject, scope=scope, shown=shown, page=page) if subject is not None else None


def answer(subject: Subject, *, scope: Scope, shown: str = "used", page: int = 1) -> Answer:
    """Return a page of the images that are exposed: those in use, all current ones, or past ones."""
    where = list(scope) if scope is not None else None
    result = Answer(subject, shown if shown in SHOWN else "used", page=max(1, page))
    if not subject.hits:
        return result
    if result.shown == "past":
        rows = replaced_images(subject, where)
        result.past, more_past = _page(past_images(subject, where), result.page)
        result.count, result.more_than_counted = bounded(past_images(subject, where))
    else:
        rows, more_past = exposed_images(subject, where, used=result.shown == "used"), False
    count, more_than_counted = bounded(rows)
    result.count += count
    result.more_than_counted |= more_than_counted
    images, more = _page(
        rows.select_related("workspace").defer("layers", "conflicts", "bytecode"), result.page
    )
    result.more = more or more_past
    result.images = rows_of(images, subject, where)
    result.since = first_exposed(subject, where)
    return result


def _page(rows: QuerySet[Any], page: int) -> tuple[list[Any], bool]:
    first = (page - 1) * ROWS
    found = list(rows[first : first + ROWS + 1])
    return found[:ROWS], len(found) > ROWS


def first_exposed(subject: Subject, scope: Iterable[int] | None) -> datetime | None:
    """Return when the first image was built that was exposed, of all that were ever made in these workspaces."""
    rows = (
        exposed_images(subject, scope, used=False).order_by("pk").values_list("made_at", flat=True),
        replaced_images(subject, scope).order_by("pk").values_list("made_at", flat=True),
        past_images(subject, scope).order_by("built_at").values_list("built_at", flat=True),
    )
    times = [each.first() for each in rows]
    return min((at for at in times if at is not None), default=None)
