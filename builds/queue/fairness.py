"""Whose turn it is: a worker takes the fairest of all builds that wait, and none over a workspace's limit.

The workspace with the fewest builds under way comes first; among equals the one that was served longest ago,
so that a workspace with a hundred builds in the queue holds nobody up; in it, the oldest build.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Min, Q
from django.db.models.functions import Now

from builds.claims import Claim
from builds.limits import defaults, in_force
from builds.models import ACTIVE, Build, State, WorkspaceLimits

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Line:
    """The builds of one workspace that wait, and what decides when they come."""

    workspace: int
    running: int
    waiting: int
    at_once: int
    served_at: datetime
    oldest: datetime

    @property
    def full(self) -> bool:
        """Whether the workspace has as many builds under way as it may."""
        return self.running >= self.at_once

    @property
    def turn(self) -> tuple[int, datetime, datetime]:
        """What the lines are sorted by: the smallest is served first."""
        return self.running, self.served_at, self.oldest


def free_to_take() -> Q:
    """Return which builds a worker may take: they wait, and nobody has said that he builds them himself."""
    lease = timedelta(seconds=settings.LOST_AFTER_SECONDS)
    # One far in the future is from before somebody set the clock back.
    reserved = Q(reserved_until__gt=Now(), reserved_until__lt=Now() + 2 * lease)
    return Q(state=State.QUEUED) & (Q(reserved_until=None) | ~reserved)


def lines() -> list[Line]:
    """Return the line of every workspace in which a build waits, in the order of their turns."""
    free = free_to_take()
    found = (
        Build.objects.filter(state__in=ACTIVE)
        .order_by()
        .values("workspace", "workspace__limits__at_once", "workspace__limits__served_at")
        .annotate(
            running=Count("pk", filter=Q(state=State.RUNNING)),
            waiting=Count("pk", filter=free),
            oldest=Min("queued_at", filter=free),
        )
        .filter(waiting__gt=0)
    )
    standing = [
        Line(
            workspace=row["workspace"],
            running=row["running"],
            waiting=row["waiting"],
            at_once=row["workspace__limits__at_once"] or defaults().at_once,
            served_at=row["workspace__limits__served_at"] or NEVER,
            oldest=row["oldest"],
        )
        for row in found
    ]
    return sorted(standing, key=lambda line: line.turn)


def anything_to_take() -> bool:
    """Whether a worker with a free hand would find a build."""
    return any(not line.full for line in lines())


def take_next(worker: str) -> Claim | None:
    """Return the claim on the build whose turn it is; None when there is none that may be built now."""
    while True:
        open_lines = [line for line in lines() if not line.full]
        if not open_lines:
            return None
        # Where another worker was faster, the next line is served; where they all were, there is a new look.
        for line in open_lines:
            claim = take_from(line.workspace, worker)
            if claim is not None:
                return claim


@transaction.atomic
def take_from(workspace: int, worker: str) -> Claim | None:
    """Return the claim on a workspace's oldest build that waits, unless its limit is reached."""
    # Held to the end, so that two workers never count at the same time: both would find room for one more.
    own = hold(workspace)
    running = Build.objects.filter(workspace=workspace, state=State.RUNNING).count()
    if running >= in_force(own).at_once:
        return None
    oldest = _oldest(workspace)
    claim = Claim.take(oldest, worker) if oldest is not None else None
    if claim is not None:
        WorkspaceLimits.objects.filter(pk=own.pk).update(served_at=Now())
    return claim


def hold(workspace: int) -> WorkspaceLimits:
    """Return the row of a workspace's limits, locked to the end of the transaction."""
    WorkspaceLimits.objects.get_or_create(workspace_id=workspace)
    return WorkspaceLimits.objects.select_for_update().get(workspace_id=workspace)


def _oldest(workspace: int) -> uuid.UUID | None:
    waiting = Build.objects.filter(free_to_take(), workspace=workspace).order_by("queued_at", "pk")
    return waiting.values_list("pk", flat=True).first()


def place_of(build: Build, standing: list[Line]) -> int:
    """Return in which place a build that waits is taken if none under way ends before: 1 for the next one."""
    ahead = Build.objects.filter(
        free_to_take(), workspace=build.workspace_id, queued_at__lt=build.queued_at
    ).count()
    own = next((line for line in standing if line.workspace == build.workspace_id), None)
    if own is None:
        return 1
    # When its turn comes, its workspace has this many under way; until then the others catch up with that.
    level = own.running + ahead
    before = 0
    for line in standing:
        if line is own:
            continue
        # Among equals, who was there before any turn comes before who has just been served.
        first_there = (-line.running, line.served_at, line.oldest) < (-own.running, own.served_at, own.oldest)
        before += min(line.waiting, max(0, level - line.running + first_there))
    return ahead + before + 1
