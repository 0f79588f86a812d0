"""What people asked for and was done while they were not looking: builds that have ended, told once."""

import datetime
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.db.models.functions import Now

from builds.models import ACTIVE, Build, Request
from environments.models import Version, Workspace

SHOWN = 3
LOOKED_AT = 12  # requests: some of them may be for the same build


@dataclass(frozen=True)
class Ended:
    """A build that has ended, and the version that it was asked for."""

    build: Build
    version: Version


@dataclass(frozen=True)
class News:
    """Builds of a person that have ended unseen, the newest requests first; `until` is when the last of them did."""

    ended: list[Ended]
    more: bool
    until: datetime.datetime | None


def news_for(user: User, workspaces: Iterable[Workspace]) -> News:
    """Return the builds that a person asked for in these workspaces and has not seen the end of, in one query."""
    unseen = (
        Request.objects.filter(
            user=user,
            told_at=None,
            cancelled_at=None,
            workspace__in=workspaces,
            build__ended_at__isnull=False,
        )
        .select_related("build__workspace", "build__stopped_by", "version__environment")
        .defer("version__data", "version__source", "build__causes")
        .order_by("-pk")[:LOOKED_AT]
    )
    ended: dict[uuid.UUID, Ended] = {}
    for request in unseen:
        if request.build is not None:
            ended.setdefault(request.build.pk, Ended(request.build, request.version))
    until = max((one.build.ended_at for one in ended.values() if one.build.ended_at), default=None)
    return News(list(ended.values())[:SHOWN], len(ended) > SHOWN, until)


def saw_the_end(user: User | AnonymousUser, build: uuid.UUID) -> None:
    """Keep that a person knows how a build ended: no page tells them any more."""
    _tell(user, build__pk=build)


def saw_all(user: User | AnonymousUser, until: datetime.datetime) -> None:
    """Keep that a person wants to hear no more of any build that had ended by then."""
    _tell(user, build__ended_at__lte=until)


def _tell(user: User | AnonymousUser, **which: object) -> None:
    if user.pk is not None:
        theirs = Request.objects.filter(user=user.pk, told_at=None, **which)
        theirs.exclude(build__state__in=ACTIVE).update(told_at=Now())
