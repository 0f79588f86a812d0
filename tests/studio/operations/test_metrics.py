"""Metrics for Prometheus: right in every process, cheap, and each thing counted once."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from builds.models import Build, BuildRequest, BuildState, Step
from environments.models import Environment, Version, Workspace
from studio.models import CounterCursor
from studio.operations import metrics, tallies, workers
from tests.services.deployment import Deployment
from tests.services.processes import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counting_begins() -> None:
    """As a migration left it, an hour ago; and nothing kept from the test before."""
    CounterCursor.objects.all().delete()
    CounterCursor.objects.create(builds_until=timezone.now() - timedelta(hours=1))
    metrics.numbers.forget()


@pytest.fixture
def version() -> Version:
    workspace = Workspace.objects.create(name="team", title="Team")
    environment = Environment.objects.create(workspace=workspace, name="train")
    content = {"image": "docker.io/library/python:3.11"}
    return Version.objects.create(
        environment=environment, number=1, version="1", data=content, kind="system", hash=uuid4().hex
    )


def build(version: Version, state: BuildState, **more: object) -> Build:
    now = timezone.now() - timedelta(seconds=60)
    times = (
        {} if state in ("queued", "running") else {"started_at": now - timedelta(seconds=3), "ended_at": now}
    )
    made = Build.objects.create(
        workspace=version.environment.workspace,
        version=version,
        hash=uuid4().hex,
        state=state,
        **times,
        **more,
    )
    Build.objects.filter(pk=made.pk).update(queued_at=now - timedelta(seconds=10))
    return made


def metrics_of(client: Client) -> dict[str, float]:
    metrics.numbers.forget()
    text = client.get("/metrics").content.decode()
    return {m[1]: float(m[2]) for m in re.finditer(r"^(studio_\S+) (\S+)$", text, re.MULTILINE)}


def test_numbers_of_builds(client: Client, version: Version) -> None:
    build(version, BuildState.QUEUED)
    build(version, BuildState.RUNNING)
    done = build(version, BuildState.SUCCEEDED)
    build(version, BuildState.SUCCEEDED, reused=True)
    build(version, BuildState.FAILED, error_code="package-not-found", error_fault="author")
    end = timezone.now() - timedelta(seconds=60)
    Step.objects.create(
        build=done,
        attempt=1,
        position=1,
        name="fetch",
        started_at=end - timedelta(seconds=2),
        ended_at=end,
        first_line=1,
    )
    metrics = metrics_of(client)
    assert metrics['studio_builds_active{state="queued"}'] == 1
    assert metrics['studio_builds_active{state="running"}'] == 1
    assert 60 < metrics["studio_queue_age_seconds"] < 120
    assert metrics['studio_builds_total{how="succeeded"}'] == 1
    assert metrics['studio_builds_total{how="reused"}'] == 1
    assert metrics['studio_build_failures_total{cause="package-not-found",fault="author"}'] == 1
    assert metrics['studio_step_seconds_bucket{cached="no",le="1.0",step="fetch"}'] == 0
    assert metrics['studio_step_seconds_bucket{cached="no",le="2.5",step="fetch"}'] == 1
    assert metrics['studio_step_seconds_count{cached="no",step="fetch"}'] == 1
    assert metrics['studio_step_seconds_sum{cached="no",step="fetch"}'] == pytest.approx(2)
    assert metrics["studio_queue_wait_seconds_count"] == 3


def test_hits_joins_and_builds(client: Client, version: Version) -> None:
    user = User.objects.create_user("ana")
    for how in ({"reused": True}, {"reused": True}, {"joined": True}, {}):
        BuildRequest.objects.create(
            workspace=version.environment.workspace, version=version, user=user, **how
        )
    BuildRequest.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    metrics = metrics_of(client)
    counts = {
        how: metrics[f'studio_build_requests_total{{how="{how}"}}'] for how in ("hit", "joined", "queued")
    }
    assert counts == {"hit": 2, "joined": 1, "queued": 1}


def test_each_thing_is_counted_once_however_often_one_asks(client: Client, version: Version) -> None:
    build(version, BuildState.FAILED, error_code="timeout", error_fault="author")
    BuildRequest.objects.create(workspace=version.environment.workspace, version=version)
    BuildRequest.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    for _ in range(3):
        metrics = metrics_of(client)
    assert metrics['studio_builds_total{how="failed"}'] == 1
    assert metrics['studio_build_requests_total{how="queued"}'] == 1


def test_a_request_that_is_not_settled_is_counted_later(client: Client, version: Version) -> None:
    old = BuildRequest.objects.create(workspace=version.environment.workspace, version=version)
    young = BuildRequest.objects.create(workspace=version.environment.workspace, version=version)
    later = BuildRequest.objects.create(workspace=version.environment.workspace, version=version)
    past = timezone.now() - timedelta(seconds=30)
    BuildRequest.objects.filter(pk__in=[old.pk, later.pk]).update(created_at=past)
    assert metrics_of(client)['studio_build_requests_total{how="queued"}'] == 1
    BuildRequest.objects.filter(pk=young.pk).update(created_at=past)
    CounterCursor.objects.update(builds_until=past)
    assert metrics_of(client)['studio_build_requests_total{how="queued"}'] == 3


def test_workers_with_a_recent_heartbeat(client: Client) -> None:
    workers.here("one:1", 2)
    workers.here("one:1", 2)
    workers.here("two:1", 3)
    workers.here("three:1", 1)
    workers.gone("three:1")
    metrics = metrics_of(client)
    assert (metrics["studio_workers"], metrics["studio_worker_hands"]) == (2, 5)


def test_the_database_is_not_asked_each_time(client: Client) -> None:
    client.get("/metrics")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/metrics")
    assert not [query for query in queries.captured_queries if "builds_" in query["sql"]]


def test_requests_of_this_process_are_counted(client: Client) -> None:
    before = metrics_of(client).get('studio_http_requests_total{status="4xx"}', 0)
    client.get("/nowhere-at-all")
    assert metrics_of(client)['studio_http_requests_total{status="4xx"}'] == before + 1


def test_nothing_new_means_nothing_read() -> None:
    tallies.count()
    with CaptureQueriesContext(connection) as queries:
        tallies.count()
    assert not [
        query for query in queries.captured_queries if "UPDATE" in query["sql"] and "tally" in query["sql"]
    ]


@pytest.mark.slow
def test_a_worker_is_on_the_list_from_its_start_to_its_end(tmp_path: Path, stock: Path) -> None:
    deployment = Deployment(tmp_path / "studio", {}, stock)
    worker = deployment.launch_worker()

    def listed() -> bool:
        with closing(sqlite3.connect(deployment.var / "studio.sqlite3")) as database:
            return bool(database.execute("SELECT concurrency FROM studio_worker").fetchall())

    try:
        wait_until(listed, 60, worker.last_words)
        worker.stop(30)
        assert not listed(), "a worker that ends in order says goodbye"
    finally:
        deployment.kill()
