"""Metrics for Prometheus. Numbers from the database are equal in every process; others say *this process*.

The database is asked at most once in some seconds, and nothing that is asked grows with what has been.
"""

import threading
import time
from collections.abc import Iterable

from django.db.models import Count, Min
from django.db.models.functions import Now
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from builds.exposure.promise import forget, kept_promise
from builds.live.build_events import hub
from builds.models import ACTIVE, Build, BuildState
from builds.rebase.bases import outdated_by_workspace
from environments.models.notifications import Delivery, DeliveryState, Notice
from studio.operations import tallies, workers
from studio.operations.requests import here

KEPT_SECONDS = 5.0


class Numbers:
    """Numbers from the database, cached for some seconds."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._until = 0.0
        self._kept: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        """Return the numbers, at most some seconds old."""
        with self._guard:
            if time.monotonic() > self._until:
                tallies.count()
                self._kept = [*now(), *counted(tallies.read())]
                self._until = time.monotonic() + KEPT_SECONDS
            return self._kept

    def forget(self) -> None:
        """Ask the database the next time."""
        self._until = 0.0
        forget()


class Streams:
    """Open streams of this process."""

    def collect(self) -> Iterable[Metric]:
        """Return it."""
        yield GaugeMetricFamily(
            "studio_open_streams", "Event streams open in this process.", hub.viewer_count
        )


numbers = Numbers()
everything = CollectorRegistry(auto_describe=False)
everything.register(numbers)
everything.register(Streams())


def exposition() -> bytes:
    """Return everything in Prometheus' text format."""
    return generate_latest(everything) + generate_latest(here)


def now() -> Iterable[Metric]:
    """Yield what is so at this moment."""
    active = Build.objects.filter(state__in=ACTIVE).order_by().values("state")
    by_state = {row["state"]: row["n"] for row in active.annotate(n=Count("pk"))}
    states = GaugeMetricFamily("studio_builds_active", "Builds that have yet to end.", labels=["state"])
    for state in (BuildState.QUEUED, BuildState.RUNNING):
        states.add_metric([state.value], by_state.get(state.value, 0))
    yield states
    oldest = (
        Build.objects.filter(state=BuildState.QUEUED)
        .order_by()
        .values("state")
        .annotate(since=Min("queued_at"), now=Now())
    )
    age = next(((row["now"] - row["since"]).total_seconds() for row in oldest), 0.0)
    yield GaugeMetricFamily(
        "studio_queue_age_seconds", "How long the oldest build has waited.", max(0.0, age)
    )
    there = list(workers.alive().values_list("concurrency", flat=True))
    yield GaugeMetricFamily("studio_workers", "Workers heard of lately.", len(there))
    yield GaugeMetricFamily("studio_worker_hands", "Builds that they can make side by side.", sum(there))
    yield from bases()
    outbox = GaugeMetricFamily("studio_outbox_waiting", "Messages that have yet to be sent.", labels=["what"])
    outbox.add_metric(["mails"], Notice.objects.filter(state=DeliveryState.WAITING).count())
    outbox.add_metric(["webhooks"], Delivery.objects.filter(state=DeliveryState.WAITING).count())
    yield outbox
    figures = kept_promise()
    yield GaugeMetricFamily("studio_images_used", "Images of versions in use.", figures.used)
    late = GaugeMetricFamily(
        "studio_images_vulnerable_days30",
        "Images in use with a vulnerability known for more than 30 days.",
        labels=["workspace"],
    )
    for name, count in figures.by_workspace.items():
        late.add_metric([name], count)
    yield late


def bases() -> Iterable[Metric]:
    """Yield how many images have an outdated base, and whose they are."""
    outdated = GaugeMetricFamily(
        "studio_images_outdated_base",
        "Images whose base is outdated: its tag means another digest, or it is too old.",
        labels=["workspace", "reason"],
    )
    images = GaugeMetricFamily("studio_images_current", "Images of current content.", labels=["workspace"])
    for row in outdated_by_workspace():
        images.add_metric([row.workspace], row.images)
        for reason, many in (("any", row.outdated), ("moved", row.moved), ("old", row.old)):
            outdated.add_metric([row.workspace, reason], many)
    yield images
    yield outdated


def counted(values: dict[str, dict[str, float]]) -> Iterable[Metric]:
    """Yield what only grows."""
    plain = (
        ("builds", "studio_builds", "Builds that have ended.", ["how"]),
        ("failures", "studio_build_failures", "Builds that failed.", ["fault", "cause"]),
        ("requests", "studio_build_requests", "Requests: hit, joined a build, or queued one.", ["how"]),
    )
    for what, name, help, labels in plain:
        counter = CounterMetricFamily(name, help, labels=labels)
        for at, value in sorted(values.get(what, {}).items()):
            counter.add_metric(at.split("|"), value)
        yield counter
    yield histogram(values, "steps", "studio_step_seconds", "How long steps took.", ["step", "cached"])
    yield histogram(values, "waits", "studio_queue_wait_seconds", "From request to the first step.", [])


def histogram(
    values: dict[str, dict[str, float]], what: str, name: str, help: str, labels: list[str]
) -> HistogramMetricFamily:
    """Return a histogram of the durations that were counted."""
    family = HistogramMetricFamily(name, help, labels=labels)
    for at, total in sorted(values.get(f"{what}_sum", {}).items()):
        below, buckets = 0.0, []
        for limit in (*map(str, tallies.BUCKETS), "+Inf"):
            below += values[what].get(f"{at}|{limit}", 0)
            buckets.append((limit, below))
        family.add_metric(at.split("|") if labels else [], buckets, sum_value=total)
    return family
