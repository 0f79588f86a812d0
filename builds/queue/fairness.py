"""Fair queueing between workspaces: which build a worker claims next, within each workspace's limit.

The workspace with the fewest running builds comes first, and among equals the least recently served, so that a
workspace with a hundred queued builds delays nobody else. Within a workspace the oldest build comes first. Builds in
the background, for which nobody waits, come after all of these: one at a time, while no other build is active.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Min, Q
from django.db.models.functions import Now

from builds.models import ACTIVE, Build, BuildState, WorkspaceLimits
from builds.queue.claims import Claim
from builds.queue.limits import default_limits, effective_limits

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class WorkspaceQueue:
    """A workspace's queued builds, and what decides when they are claimed."""

    workspace: int
    running: int
    waiting: int
    at_once: int
    served_at: datetime
    oldest: datetime

    @property
    def at_limit(self) -> bool:
        """Whether as many builds of the workspace are running as its limit allows."""
        return self.running >= self.at_once

    @property
    def priority(self) -> tuple[int, datetime, datetime]:
        """The sort key among workspaces: the smallest is served first."""
        return self.running, self.served_at, self.oldest


def claimable() -> Q:
    """Return the filter of builds that somebody waits for and a worker may claim: queued, not reserved by an inline build."""
    lease = timedelta(seconds=settings.LOST_AFTER_SECONDS)
    # A time far in the future is from before the clock was set back.
    reserved = Q(reserved_until__gt=Now(), reserved_until__lt=Now() + 2 * lease)
    return Q(state=BuildState.QUEUED, background=False) & (Q(reserved_until=None) | ~reserved)


def workspace_queues() -> list[WorkspaceQueue]:
    """Return every workspace's queue that has claimable builds, by priority."""
    free = claimable()
    rows = (
        Build.objects.filter(state__in=ACTIVE)
        .order_by()
        .values("workspace", "workspace__limits__at_once", "workspace__limits__served_at")
        .annotate(
            running=Count("pk", filter=Q(state=BuildState.RUNNING, background=False)),
            waiting=Count("pk", filter=free),
            oldest=Min("queued_at", filter=free),
        )
        .filter(waiting__gt=0)
    )
    queues = [
        WorkspaceQueue(
            workspace=row["workspace"],
            running=row["running"],
            waiting=row["waiting"],
            at_once=row["workspace__limits__at_once"] or default_limits().at_once,
            served_at=row["workspace__limits__served_at"] or NEVER,
            oldest=row["oldest"],
        )
        for row in rows
    ]
    return sorted(queues, key=lambda queue: queue.priority)


def has_claimable_builds() -> bool:
    """Return whether a free worker could claim a build now."""
    return any(not queue.at_limit for queue in workspace_queues()) or _next_in_background() is not None


def claim_next(worker: str) -> Claim | None:
    """Claim the next build in fair order, else one in the background; return None if there is none within the limits."""
    while True:
        below_limit = [queue for queue in workspace_queues() if not queue.at_limit]
        if not below_limit:
            return _claim_in_background(worker)
        # If another worker was faster, try the next workspace; if at all of them, read the queues again.
        for queue in below_limit:
            claim = claim_from(queue.workspace, worker)
            if claim is not None:
                return claim


@transaction.atomic
def claim_from(workspace: int, worker: str) -> Claim | None:
    """Claim a workspace's oldest queued build; return None if there is none or the limit is reached."""
    # Locked to the end: two workers that counted at the same time would both see room for another build.
    own = lock_limits(workspace)
    running = Build.objects.filter(workspace=workspace, state=BuildState.RUNNING, background=False).count()
    if running >= effective_limits(own).at_once:
        return None
    oldest = _oldest(workspace)
    claim = Claim.take(oldest, worker) if oldest is not None else None
    if claim is not None:
        WorkspaceLimits.objects.filter(pk=own.pk).update(served_at=Now())
    return claim


def somebody_waits() -> bool:
    """Return whether any build is active that is not in the background."""
    return Build.objects.filter(state__in=ACTIVE, background=False).exists()


def _next_in_background() -> Build | None:
    """Return the queued background build that an idle worker may claim: the only one that runs."""
    first = Build.objects.filter(state=BuildState.QUEUED, background=True).order_by("queued_at", "pk").first()
    if first is None or somebody_waits() or Build.objects.filter(state=BuildState.RUNNING).exists():
        return None
    return first


@transaction.atomic
def _claim_in_background(worker: str) -> Claim | None:
    build = _next_in_background()
    if build is None:
        return None
    lock_limits(
        build.workspace_id
    )  # other workers that claim in the background wait here, and then see this claim
    again = _next_in_background()
    return Claim.take(again.pk, worker) if again is not None else None


def lock_limits(workspace: int) -> WorkspaceLimits:
    """Return the row of a workspace's limits, locked until the end of the transaction."""
    WorkspaceLimits.objects.get_or_create(workspace_id=workspace)
    return WorkspaceLimits.objects.select_for_update().get(workspace_id=workspace)


def _oldest(workspace: int) -> uuid.UUID | None:
    waiting = Build.objects.filter(claimable(), workspace=workspace).order_by("queued_at", "pk")
    return waiting.values_list("pk", flat=True).first()


def position_of(build: Build, queues: list[WorkspaceQueue]) -> int:
    """Return a queued build's position, from 1: the order of claims if no running build ends before."""
    if build.background:
        return sum(queue.waiting for queue in queues) + 1
    ahead = Build.objects.filter(
        claimable(), workspace=build.workspace_id, queued_at__lt=build.queued_at
    ).count()
    own = next((queue for queue in queues if queue.workspace == build.workspace_id), None)
    if own is None:
        return 1
    # When it is claimed, its workspace has this many running builds; until then the others catch up to that.
    level = own.running + ahead
    before = 0
    for queue in queues:
        if queue is own:
            continue
        # Among equals, a workspace that waits from the start comes before one that has just been served.
        served_first = (-queue.running, queue.served_at, queue.oldest) < (
            -own.running,
            own.served_at,
            own.oldest,
        )
        before += min(queue.waiting, max(0, level - queue.running + served_first))
    return ahead + before + 1
