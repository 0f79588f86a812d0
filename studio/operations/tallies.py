"""Counting what has happened, each thing once, whichever process counts.

Only what is new since the last time is read, so that counting costs the same with a million builds. The single
row of `CounterCursor` is locked meanwhile; a process that finds it locked leaves the work to its holder.
"""

from collections import Counter
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Count, ExpressionWrapper, F, Q
from django.db.models import DateTimeField as Time
from django.db.models.functions import Now

from builds.models import Build, BuildRequest, Step
from studio.models import CounterCursor, MetricCounter

# Rows that were written but not committed yet are invisible; after this delay all are visible.
SETTLED = timedelta(seconds=5)

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)

Counts = Counter[tuple[str, str]]


def count() -> None:
    """Bring the tallies up to date."""
    with transaction.atomic():
        skip = connection.features.has_select_for_update_skip_locked
        marks = CounterCursor.objects.select_for_update(skip_locked=skip)
        mark = marks.annotate(now=ExpressionWrapper(Now(), output_field=Time())).first()
        if mark is None:
            return
        until = mark.now - SETTLED
        if until <= mark.builds_until:
            return
        counts: Counts = Counter()
        ended = Q(ended_at__gt=mark.builds_until, ended_at__lte=until)
        count_builds(ended, counts)
        count_steps(ended, counts)
        last = mark.request
        coming = BuildRequest.objects.filter(pk__gt=last, created_at__gt=until).order_by("pk")
        stop = coming.values_list("pk", flat=True).first()
        new = Q(pk__gt=last) if stop is None else Q(pk__gt=last, pk__lt=stop)
        latest = BuildRequest.objects.filter(new).order_by("-pk").values_list("pk", flat=True).first()
        if latest is not None:
            count_requests(new & Q(pk__lte=latest), counts)
        for (what, labels), value in counts.items():
            if not MetricCounter.objects.filter(name=what, labels=labels).update(value=F("value") + value):
                MetricCounter.objects.create(name=what, labels=labels, value=value)
        CounterCursor.objects.filter(pk=mark.pk).update(builds_until=until, request=latest or last)


def count_builds(ended: Q, counts: Counts) -> None:
    """Count builds by how they ended, and failures by whose fault and which cause."""
    rows = Build.objects.filter(ended).order_by().values("state", "reused", "error_fault", "error_code")
    for row in rows.annotate(n=Count("pk")):
        how = "reused" if row["reused"] else row["state"]
        counts["builds", how] += row["n"]
        if row["state"] == "failed":
            counts["failures", f"{row['error_fault']}|{row['error_code']}"] += row["n"]
    begun = Build.objects.filter(ended).exclude(started_at=None)
    for waited in begun.annotate(waited=F("started_at") - F("queued_at")).values_list("waited", flat=True):
        put("waits", "", waited.total_seconds(), counts)


def count_steps(ended: Q, counts: Counts) -> None:
    """Count how long the steps of builds that have ended took."""
    builds = Build.objects.filter(ended).order_by().values("pk")
    steps = Step.objects.filter(build__in=builds).exclude(ended_at=None).order_by()
    took = steps.annotate(took=F("ended_at") - F("started_at"))
    for name, cached, seconds in took.values_list("name", "cached", "took"):
        put("steps", f"{name}|{'yes' if cached else 'no'}", seconds.total_seconds(), counts)


def put(what: str, labels: str, seconds: float, counts: Counts) -> None:
    """Put a duration into its histogram: its bucket, and the sum."""
    seconds = max(0.0, seconds)
    bucket = next((str(limit) for limit in BUCKETS if seconds <= limit), "+Inf")
    counts[what, f"{labels}|{bucket}"] += 1
    counts[f"{what}_sum", labels] += seconds  # type: ignore[assignment]


def count_requests(new: Q, counts: Counts) -> None:
    """Count requests by how they were answered."""
    for row in BuildRequest.objects.filter(new).order_by().values("reused", "joined").annotate(n=Count("pk")):
        how = "hit" if row["reused"] else "joined" if row["joined"] else "queued"
        counts["requests", how] += row["n"]


def read() -> dict[str, dict[str, float]]:
    """Return the tallies: {what: {labels: value}}."""
    tallies: dict[str, dict[str, float]] = {}
    for what, labels, value in MetricCounter.objects.values_list("name", "labels", "value"):
        tallies.setdefault(what, {})[labels] = value
    return tallies
