"""When the builds of a list will start and end: what runs is timed by similar builds, what is queued follows it.

Two queries for a whole list. An environment's own builds are the guide, else those of the workspace.
"""

import datetime
import heapq
import uuid
from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from django.utils import timezone

from builds.models import Build, BuildState
from environments.models import Workspace

LOOKED_AT = 200  # the newest builds
ENOUGH = 3  # builds of a workspace, for environments that have none


def expected_times(workspace: Workspace, active: Iterable[Build]) -> dict[uuid.UUID, datetime.datetime]:
    """Return when each running build will end, and each queued build start; nothing for what has no history.

    `active` are all active builds of the workspace, the queued ones in their order. So many are expected to run at
    once as do now.
    """
    active = list(active)
    usual = _usual_seconds(workspace) if active else {}
    now = timezone.now()
    times: dict[uuid.UUID, datetime.datetime] = {}
    free_at = []
    for build in active:
        seconds = usual.get(build.version.environment_id, usual.get(None))
        if build.state == BuildState.RUNNING and build.started_at and seconds is not None:
            times[build.pk] = build.started_at + datetime.timedelta(seconds=seconds)
            free_at.append(max(times[build.pk], now))
    heapq.heapify(free_at)
    for build in active:
        seconds = usual.get(build.version.environment_id, usual.get(None))
        if build.state != BuildState.QUEUED:
            continue
        if seconds is None or not free_at:
            break  # nor is it known when later builds start
        times[build.pk] = free_at[0]
        heapq.heapreplace(free_at, free_at[0] + datetime.timedelta(seconds=seconds))
    return times


def _usual_seconds(workspace: Workspace) -> dict[int | None, float]:
    """Return the median duration of each environment's builds, and under None that of all."""
    rows = (
        Build.objects.filter(
            workspace=workspace, state=BuildState.SUCCEEDED, reused=False, started_at__isnull=False
        )
        .order_by("-ended_at")
        .values_list("version__environment", "started_at", "ended_at")[:LOOKED_AT]
    )
    took: dict[int | None, list[float]] = defaultdict(list)
    for environment, started_at, ended_at in rows:
        if started_at and ended_at:
            took[environment].append(max(0.0, (ended_at - started_at).total_seconds()))
    everything = [seconds for times in took.values() for seconds in times]
    usual: dict[int | None, float] = {environment: median(times) for environment, times in took.items()}
    if len(everything) >= ENOUGH:
        usual[None] = median(everything)
    return usual
