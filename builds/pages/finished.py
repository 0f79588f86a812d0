"""Builds that finished since the requester's last visit, shown until seen."""

import datetime
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.db.models.functions import Now

from builds.models import ACTIVE, Build, BuildRequest
from environments.models import Version, Workspace

SHOWN = 3
LOOKED_AT = 12  # requests: some of them may be for the same build


@dataclass(frozen=True)
class FinishedBuild:
    """A finished build, and the version it was requested for."""

    build: Build
    version: Version


@dataclass(frozen=True)
class FinishedBuilds:
    """A user's unseen finished builds, newest requests first; `until` is the latest end among them."""

    ended: list[FinishedBuild]
    more: bool
    until: datetime.datetime | None


def finished_builds_for(user: User, workspaces: Iterable[Workspace]) -> FinishedBuilds:
    """Return the finished builds that a user requested in these workspaces and has not seen, in one query."""
    unseen = (
        BuildRequest.objects.filter(
            user=user,
            seen_at=None,
            cancelled_at=None,
            workspace__in=workspaces,
            build__ended_at__isnull=False,
        )
        .select_related("build__workspace", "build__stopped_by", "version__environment")
        .defer("version__data", "version__source", "build__causes")
        .order_by("-pk")[:LOOKED_AT]
    )
    ended: dict[uuid.UUID, FinishedBuild] = {}
    for request in unseen:
        if request.build is not None:
            ended.setdefault(request.build.pk, FinishedBuild(request.build, request.version))
    until = max((entry.build.ended_at for entry in ended.values() if entry.build.ended_at), default=None)
    return FinishedBuilds(list(ended.values())[:SHOWN], len(ended) > SHOWN, until)


def mark_seen(user: User | AnonymousUser, build: uuid.UUID) -> None:
    """Record that a user has seen a build's outcome, so that pages stop showing it."""
    _mark(user, build__pk=build)


def mark_all_seen(user: User | AnonymousUser, until: datetime.datetime) -> None:
    """Record that a user has seen every outcome up to then."""
    _mark(user, build__ended_at__lte=until)


def _mark(user: User | AnonymousUser, **build: object) -> None:
    if user.pk is not None:
        unseen = BuildRequest.objects.filter(user=user.pk, seen_at=None, **build)
        unseen.exclude(build__state__in=ACTIVE).update(seen_at=Now())
