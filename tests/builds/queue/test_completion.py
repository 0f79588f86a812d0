"""A build's end, its event and its notices are one: all of them are there, or none. On both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import ProtectedError
from django.urls import reverse

from builds import runner
from builds.models import Build, State
from builds.reconcile import release_builds_of
from builds.services import cancel_for, request_build
from environments.models import Event, Role, record
from environments.outbox import Notice, NoticeChoice, NoticeKind, Sending
from tests.builds.played import asked, failed, person, saved, succeeded

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
    """The database goes away between the two: neither is there, and then both, once."""
    monkeypatch.setattr("builds.steps.make_image", broken)
    states: list[str] = []

    def away_at_first(*args: Any, **more: Any) -> Event:
        states.append(Build.objects.get().state)
        if len(states) < 3:
            raise OperationalError("the database is away")
        assert not Event.objects.filter(verb="build.failed").exists()
        return record(*args, **more)

    monkeypatch.setattr("builds.endings.record", away_at_first)
    build = asked(saved("a==1\n"), carla)
    runner.run(build.pk, "a worker")

    build.refresh_from_db()
    assert (build.state, states) == (State.FAILED, [State.FAILED] * 3)  # inside of the transaction each time
    assert Event.objects.filter(verb="build.failed").count() == 1
    assert Notice.objects.get().state == Sending.WAITING


def broken(*_: Any) -> None:
    raise RuntimeError("broken")


def test_who_waited_is_told_with_the_page_and_who_left_is_not(carla: User) -> None:
    fred, gina = person("fred", lab=Role.CONTRIBUTOR), person("gina", lab=Role.CONTRIBUTOR)
    version = saved("nunpy==1\n")
    build = asked(version, carla)
    request_build(version, fred)
    request_build(version, fred)
    request_build(version, gina)
    cancel_for(build, gina)
    failed(build)

    told = {row.user.username: row for row in Notice.objects.all()}
    assert set(told) == {"carla", "fred"}
    assert told["carla"].subject == "The build of forecast:1 in lab failed"
    assert "Did you mean numpy?" in told["carla"].text
    assert told["carla"].address == reverse("builds:build", args=["lab", build.pk])
    assert Event.objects.filter(verb="build.failed").count() == 1


def test_what_went_well_is_told_to_those_who_want_that(carla: User) -> None:
    NoticeChoice.objects.create(user=carla, kinds={NoticeKind.BUILD_SUCCEEDED: True})
    fred = person("fred", lab=Role.CONTRIBUTOR)
    version = saved("a==1\n")
    build = asked(version, carla)
    request_build(version, fred)
    succeeded(build)
    assert [(row.user, row.subject) for row in Notice.objects.all()] == [
        (carla, "forecast:1 in lab is ready")
    ]


def test_a_build_whose_workers_died_ends_with_an_event_too(carla: User) -> None:
    build = asked(saved("a==1\n"), carla)
    Build.objects.filter(pk=build.pk).update(state=State.RUNNING, worker="gone", attempt=3, claim="0" * 32)
    assert release_builds_of("gone", died=True) == 1
    event = Event.objects.get(verb="build.failed")
    assert event.details["asked_by"] == ["carla"]
    assert Notice.objects.get().user == carla


def test_a_build_that_goes_back_to_the_queue_has_not_ended(carla: User) -> None:
    build = asked(saved("a==1\n"), carla)
    Build.objects.filter(pk=build.pk).update(state=State.RUNNING, worker="gone", attempt=1, claim="0" * 32)
    release_builds_of("gone", died=True)
    assert not Notice.objects.exists()
    assert not Event.objects.filter(verb__in=["build.failed", "build.cancelled"]).exists()


def test_the_database_lets_nobody_change_or_delete_an_event(carla: User) -> None:
    event = Event.objects.get(pk=asked_event(carla).pk)
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
    event = asked_event(carla)
    for thing in (event.workspace, event.environment, carla):
        assert thing is not None
        with pytest.raises(ProtectedError):
            thing.delete()
    assert Event.objects.filter(pk=event.pk).exists()


def asked_event(user: User) -> Event:
    asked(saved("a==1\n"), user)
    return Event.objects.get(verb="build.requested")


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
