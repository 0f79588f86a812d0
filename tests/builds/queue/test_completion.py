"""A build's end, its event and its notices are written in one transaction. On both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import ProtectedError
from django.urls import reverse

from builds.logs import read_log
from builds.models import Build, BuildState, Image
from builds.queue.claims import Claim
from builds.queue.requests import cancel_requests_of, request_build
from builds.worker import runner
from builds.worker.build_result import BuildResult
from builds.worker.reconciler import release_builds_of
from builds.worker.reporter import BuildReporter
from environments.audit.record import record
from environments.models import Event, Role
from environments.models.notifications import DeliveryState, Notice, NoticeKind, NoticePreferences
from tests.builds.scenarios import fail_build, image_for, person, queue_build, save_text, succeed_build

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("either_database"),
]


@pytest.fixture
def carla() -> User:
    user = person("carla", lab=Role.CONTRIBUTOR)
    user.email = "carla@example.com"
    user.save()
    return user


def test_the_end_waits_until_its_event_can_be_written_too(
    carla: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away between the two: neither is written, and then both, once."""
    monkeypatch.setattr("builds.worker.steps.make_image", broken)
    states: list[str] = []

    def away_at_first(*args: Any, **more: Any) -> Event:
        states.append(Build.objects.get().state)
        if len(states) < 3:
            raise OperationalError("the database is away")
        assert not Event.objects.filter(verb="build.failed").exists()
        return record(*args, **more)

    monkeypatch.setattr("builds.queue.completion.record", away_at_first)
    build = queue_build(save_text("a==1\n"), carla)
    runner.run_build(build.pk, "a worker")

    build.refresh_from_db()
    assert (build.state, states) == (
        BuildState.FAILED,
        [BuildState.FAILED] * 3,
    )  # inside of the transaction each time
    assert Event.objects.filter(verb="build.failed").count() == 1
    assert Notice.objects.get().state == DeliveryState.WAITING


def broken(*_: Any) -> None:
    raise RuntimeError("broken")


class WorkerDied(BaseException):
    """Stands in for SIGKILL: nothing of the attempt runs after it."""


@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_an_attempt_whose_end_is_lost_leaves_no_line_of_it(
    carla: User, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The worker dies in the transaction that ends the build; the second attempt ends it, and its log."""
    build = queue_build(save_text("a==1\n"), carla)
    image = image_for(build.version)

    def make(build: Build, reporter: BuildReporter) -> BuildResult:
        reporter.line(f"attempt {reporter.claim.attempt}")
        if end == "failed":
            raise RuntimeError("broken")
        return BuildResult(existing=image)

    def die(*_: Any, **__: Any) -> Event:
        raise WorkerDied

    monkeypatch.setattr("builds.worker.steps.make_image", make)
    with monkeypatch.context() as dying:
        dying.setattr("builds.queue.completion.record", die)
        with pytest.raises(WorkerDied):
            runner.run_build(build.pk, "first worker")
    assert read_log(build.pk).text == "attempt 1\n"
    release_builds_of("first worker", died=True)
    runner.run_build(build.pk, "second worker")

    build.refresh_from_db()
    assert (build.state, build.attempt) == (end, 2)
    lines = read_log(build.pk).text.splitlines()
    assert lines[:2] == ["attempt 1", "attempt 2"]
    outcome = "reused" if end == "succeeded" else "failed"
    assert [line for line in lines if f"{build.pk} {outcome} after" in line] == lines[-1:]
    assert len([line for line in lines if line.startswith("Error:")]) == (end == "failed")
    assert build.log_lines == len(lines)
    assert build.error_line == (3 if end == "failed" else None)


def test_an_attempt_whose_end_is_refused_leaves_no_line_of_it(
    carla: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was halted for too long ends a build that another worker has taken over."""
    build = queue_build(save_text("a==1\n"), carla)

    result = BuildResult(existing=image_for(build.version))
    save = BuildResult.save

    def save_too_late(self: BuildResult, *arguments: Any) -> Image:
        release_builds_of("halted worker", died=True)
        assert Claim.take(build.pk, "second worker")
        return save(self, *arguments)

    monkeypatch.setattr("builds.worker.steps.make_image", lambda *_: result)
    monkeypatch.setattr(BuildResult, "save", save_too_late)
    runner.run_build(build.pk, "halted worker")

    build.refresh_from_db()
    assert (build.state, build.worker, build.attempt) == (BuildState.RUNNING, "second worker", 2)
    assert read_log(build.pk).text == ""


def test_a_cancelled_build_that_is_requested_again_at_its_end_has_no_line_of_the_end(
    carla: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = save_text("a==1\n")
    build = queue_build(version, carla)
    requeue = Claim.requeue

    def cancelled(build: Build, reporter: BuildReporter) -> BuildResult:
        cancel_requests_of(build, carla)
        while True:
            reporter.check()

    def requested_meanwhile(self: Claim, **log: Any) -> None:
        request_build(version, person("fred", lab=Role.CONTRIBUTOR))
        requeue(self, **log)

    monkeypatch.setattr("builds.worker.steps.make_image", cancelled)
    monkeypatch.setattr(Claim, "requeue", requested_meanwhile)
    runner.run_build(build.pk, "a worker")

    build.refresh_from_db()
    assert (build.state, build.attempt) == (BuildState.QUEUED, 0)
    assert read_log(build.pk).text == f"{runner.REQUESTED_AGAIN}\n"


def test_everybody_who_still_waits_is_notified_with_a_link_to_the_build(carla: User) -> None:
    fred, gina = person("fred", lab=Role.CONTRIBUTOR), person("gina", lab=Role.CONTRIBUTOR)
    version = save_text("nunpy==1\n")
    build = queue_build(version, carla)
    request_build(version, fred)
    request_build(version, fred)
    request_build(version, gina)
    cancel_requests_of(build, gina)
    fail_build(build)

    notices = {row.user.username: row for row in Notice.objects.all()}
    assert set(notices) == {"carla", "fred"}
    assert notices["carla"].subject == "Build failed: forecast:1 in lab"
    assert "Did you mean numpy?" in notices["carla"].text
    assert notices["carla"].address == reverse("builds:build", args=["lab", build.pk])
    assert Event.objects.filter(verb="build.failed").count() == 1


def test_a_success_is_notified_to_those_who_do_not_decline_it(carla: User) -> None:
    fred = person("fred", lab=Role.CONTRIBUTOR)
    NoticePreferences.objects.create(user=fred, kinds={NoticeKind.BUILD_SUCCEEDED: False})
    version = save_text("a==1\n")
    build = queue_build(version, carla)
    request_build(version, fred)
    succeed_build(build)
    assert [(row.user, row.subject, row.own) for row in Notice.objects.all()] == [
        (carla, "Build succeeded: forecast:1 in lab", True)
    ]


def test_a_build_whose_workers_died_ends_with_an_event_too(carla: User) -> None:
    build = queue_build(save_text("a==1\n"), carla)
    Build.objects.filter(pk=build.pk).update(
        state=BuildState.RUNNING, worker="gone", attempt=3, claim="0" * 32
    )
    assert release_builds_of("gone", died=True) == 1
    event = Event.objects.get(verb="build.failed")
    assert event.details["asked_by"] == ["carla"]
    assert Notice.objects.get().user == carla


def test_a_build_that_goes_back_to_the_queue_has_not_ended(carla: User) -> None:
    build = queue_build(save_text("a==1\n"), carla)
    Build.objects.filter(pk=build.pk).update(
        state=BuildState.RUNNING, worker="gone", attempt=1, claim="0" * 32
    )
    release_builds_of("gone", died=True)
    assert not Notice.objects.exists()
    assert not Event.objects.filter(verb__in=["build.failed", "build.cancelled"]).exists()


def test_the_database_lets_nobody_change_or_delete_an_event(carla: User) -> None:
    event = Event.objects.get(pk=requested_event(carla).pk)
    tries: list[Callable[[], object]] = [
        lambda: Event.objects.filter(pk=event.pk).update(subject="another"),
        lambda: event.delete(),
        lambda: Event.objects.all().delete(),
        lambda: execute("UPDATE environments_event SET details = '{}'"),
        lambda: execute("DELETE FROM environments_event"),
    ]
    if connection.vendor == "postgresql":
        tries.append(lambda: execute("TRUNCATE environments_event CASCADE"))
    for attempt in tries:
        with pytest.raises(DatabaseError, match="Events are only ever added"), transaction.atomic():
            attempt()
    assert Event.objects.filter(pk=event.pk, subject=event.subject).exists()


def test_what_has_events_is_kept_with_them(carla: User) -> None:
    event = requested_event(carla)
    for thing in (event.workspace, event.environment, carla):
        assert thing is not None
        with pytest.raises(ProtectedError):
            thing.delete()
    assert Event.objects.filter(pk=event.pk).exists()


def requested_event(user: User) -> Event:
    queue_build(save_text("a==1\n"), user)
    return Event.objects.get(verb="build.requested")


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
