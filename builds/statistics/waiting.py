"""When the builds of a list will start and end: what runs is timed by similar builds, what is queued follows it.

Three queries for a whole list. Builds are similar as in `estimates`: same definition, else same environment, else same
kind of source.
"""

import datetime
import heapq
import uuid
from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from django.utils import timezone

from builds.models import Build, BuildState
from builds.statistics.estimates import ENOUGH_OF_A_KIND, kind_of
from environments.models import Version, Workspace

LOOKED_AT = 200  # the newest builds


class Usual(NamedTuple):
    """The median durations of a workspace's builds, in seconds: by definition, environment and kind of source."""

    definitions: dict[str, float]
    environments: dict[int, float]
    kinds: dict[str, float]

    def of(self, build: Build) -> float | None:
        """Return how long a build of this definition or environment usually takes."""
        return self.definitions.get(build.hash) or self.environments.get(build.version.environment_id)


def expected_times(workspace: Workspace, active: Iterable[Build]) -> dict[uuid.UUID, datetime.datetime]:
    """Return when each running build will end, and each queued build start; nothing for what has no history.

    `active` are all active builds of the workspace, the queued ones in their order. So many are expected to run at
    once as do now.
    """
    active = list(active)
    usual = _seconds_of(workspace, active) if active else {}
    now = timezone.now()
    times: dict[uuid.UUID, datetime.datetime] = {}
    free_at = []
    for build in active:
        seconds = usual.get(build.pk)
        if build.state == BuildState.RUNNING and build.started_at and seconds is not None:
            times[build.pk] = build.started_at + datetime.timedelta(seconds=seconds)
            free_at.append(max(times[build.pk], now))
    heapq.heapify(free_at)
    for build in active:
        seconds = usual.get(build.pk)
        if build.state != BuildState.QUEUED:
            continue
        if not free_at:
            break
        times[build.pk] = free_at[0]
        if seconds is None:
            break  # it is not known when later builds start
        heapq.heapreplace(free_at, free_at[0] + datetime.timedelta(seconds=seconds))
    return times


def _seconds_of(workspace: Workspace, builds: list[Build]) -> dict[uuid.UUID, float]:
    """Return how long each of these builds usually takes; nothing for what has no history."""
    usual = _usual_seconds(workspace)
    seconds = {build.pk: usual.of(build) for build in builds}
    others = {build.version_id for build in builds if seconds[build.pk] is None}
    kinds = {
        pk: "curated" if workspace.curated else kind_of(base, conda)
        for pk, base, conda in Version.objects.filter(pk__in=others).values_list(
            "pk", "base", "data__python__conda"
        )
    }
    for build in builds:
        seconds[build.pk] = seconds[build.pk] or usual.kinds.get(kinds.get(build.version_id, ""))
    return {pk: took for pk, took in seconds.items() if took is not None}


def _usual_seconds(workspace: Workspace) -> Usual:
    """Return the median durations of a workspace's newest builds."""
    rows = (
        Build.objects.filter(
            workspace=workspace, state=BuildState.SUCCEEDED, reused=False, started_at__isnull=False
        )
        .order_by("-ended_at")
        .values_list(
            "hash",
            "version__environment",
            "version__base",
            "version__data__python__conda",
            "started_at",
            "ended_at",
        )[:LOOKED_AT]
    )
    definitions: dict[str, list[float]] = defaultdict(list)
    environments: dict[int, list[float]] = defaultdict(list)
    kinds: dict[str, list[float]] = defaultdict(list)
    for identity, environment, base, conda, started_at, ended_at in rows:
        if started_at and ended_at:
            took = max(0.0, (ended_at - started_at).total_seconds())
            kind = "curated" if workspace.curated else kind_of(base, conda)
            for times in (definitions[identity], environments[environment], kinds[kind]):
                times.append(took)
    return Usual(
        {identity: median(times) for identity, times in definitions.items()},
        {environment: median(times) for environment, times in environments.items()},
        {kind: median(times) for kind, times in kinds.items() if len(times) >= ENOUGH_OF_A_KIND},
    )
