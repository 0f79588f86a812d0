"""Asking for images: one build for equal requests, cache hits, who may cancel what (rules 8-16)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from builds import runner
from builds.claims import Claim
from builds.images import Cancelled, ImageError
from builds.logs import read_log
from builds.models import BaseImage, Build, Image, Request, State
from builds.services import (
    NotPossible,
    base_has_moved,
    cancel_for,
    outlook,
    request_build,
    retry,
    stop_for_all,
    versions_sharing,
)
from builds.turns import take_next
from environments.models import Event
from tests.builds.played import asked, failed, person, played, saved, succeeded

pytestmark = pytest.mark.usefixtures("either_database")


@pytest.mark.django_db
def test_two_clicks_make_one_build() -> None:
    version = saved("a==1\n")

    first, second = request_build(version), request_build(version)

    assert first.build == second.build
    assert (first.joined, second.joined) == (False, True)
    assert Build.objects.count() == 1


@pytest.mark.django_db
def test_who_comes_and_who_goes_is_shown_to_those_who_look_on() -> None:
    ann, ben, version = person("ann"), person("ben"), saved("a==1\n")
    build = asked(version, ann)

    request_build(version, ben)
    assert news(build) > 0

    before = news(build)
    cancel_for(build, ben)
    assert news(build) > before


def news(build: Build) -> int:
    """Return how often the page of a build was changed in more than its log."""
    build.refresh_from_db()
    return build.revision - build.log_seq


@pytest.mark.django_db(transaction=True)
def test_fifty_requests_at_the_same_moment_make_one_build() -> None:
    version = saved("a==1\n")
    start = threading.Barrier(50)
    builds, problems = [], []

    def ask() -> None:
        try:
            start.wait(30)
            builds.append(request_build(version).build_id)
        except Exception as error:  # told to the test's own thread
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not problems
    assert len(builds) == 50
    assert len(set(builds)) == 1
    assert Build.objects.count() == 1


@pytest.mark.django_db
def test_the_same_content_under_another_name_is_ready_at_once() -> None:
    """Rules 4 and 8."""
    image = succeeded(asked(saved("a==1\n", name="first")))

    request = request_build(saved("# why\r\na==1\r\n", name="second"))

    assert (request.image, request.build, request.reused) == (image, None, True)


@pytest.mark.django_db
def test_the_catalogues_image_serves_a_workspace_but_not_the_other_way_round() -> None:
    """Rules 8 and 10."""
    curated = succeeded(asked(saved("a==1\n", workspace="curated", name="AzureML-a")))
    assert request_build(saved("a==1\n", workspace="lab")).image == curated

    succeeded(asked(saved("b==1\n", workspace="lab")))
    assert request_build(saved("b==1\n", workspace="curated", name="AzureML-b")).build


@pytest.mark.django_db
def test_another_workspaces_image_is_not_seen() -> None:
    succeeded(asked(saved("a==1\n", workspace="lab")))

    assert outlook(saved("a==1\n", workspace="shop")).state == "new"


@pytest.mark.django_db
def test_cancelling_yours_leaves_the_others() -> None:
    ada, bob, eve = person("ada"), person("bob"), person("eve")
    version = saved("a==1\n")
    build = asked(version, ada)
    request_build(version, bob)

    cancel_for(build, ada)
    build.refresh_from_db()
    assert build.state == State.QUEUED

    with pytest.raises(NotPossible):
        cancel_for(build, eve)
    with pytest.raises(NotPossible):
        cancel_for(build, ada)

    cancel_for(build, bob)
    build.refresh_from_db()
    assert build.state == State.CANCELLED


@pytest.mark.django_db
def test_cancelling_a_running_build_raises_the_flag_and_its_worker_sees_it() -> None:
    ada = person("ada")
    build = asked(saved("a==1\n"), ada)
    claim = Claim.take(build.pk, "worker")
    assert claim is not None
    assert not claim.should_stop()

    cancel_for(build, ada)

    assert claim.should_stop()


@pytest.mark.django_db
def test_a_failed_build_can_be_tried_again_and_one_under_way_cannot() -> None:
    ada = person("ada")
    version = saved("a==1\n")
    build = asked(version, ada)
    with pytest.raises(NotPossible):
        retry(build, ada)
    failed(build)
    build.refresh_from_db()

    again = retry(build, ada).build

    assert again
    assert again != build


@pytest.mark.django_db
def test_a_rebuild_keeps_the_old_image_until_there_is_a_new_one() -> None:
    """Rule 16."""
    version = saved("a==1\n")
    old = succeeded(asked(version))

    build = request_build(version, rebuild=True).build
    assert build is not None
    failed(build)

    assert outlook(version).image == old
    assert Image.objects.get().current


@pytest.mark.django_db
def test_a_rebuild_names_every_version_that_shares_the_image() -> None:
    """Rule 16."""
    versions = [saved("a==1\n", name=name) for name in ("one", "two", "three")]
    saved("b==1\n", name="other")

    sharing = versions_sharing(versions[0].environment.workspace, versions[0].hash)

    assert [str(version) for version in sharing] == ["one:1", "three:1", "two:1"]


@pytest.mark.django_db
def test_a_floating_base_that_moved_makes_the_next_build_a_new_one() -> None:
    """Rule 18."""
    version = saved("a==1\n")
    version.data = {**version.data, "image": "ubuntu"}
    image = succeeded(asked(version))
    image.floating, image.base_digest = True, "sha256:" + "1" * 64
    assert base_has_moved(version, image), "nobody knows what the tag is now"
    known = BaseImage.objects.create(
        reference="docker.io/library/ubuntu:latest", digest=image.base_digest, checked_at=timezone.now()
    )
    assert not base_has_moved(version, image)

    BaseImage.objects.filter(pk=known.pk).update(digest="sha256:" + "2" * 64)

    assert base_has_moved(version, image)


@pytest.mark.django_db
def test_who_builds_here_and_now_has_no_worker_come_first(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    told: list[object] = []
    monkeypatch.setattr("builds.queue.current_app.send_task", lambda *words, **more: told.append(more))
    with django_capture_on_commit_callbacks(execute=True):
        build = request_build(saved("a==1\n"), here=True).build
    assert build is not None

    assert told == []
    assert take_next("a worker") is None

    Build.objects.update(reserved_until=timezone.now() - timedelta(seconds=1))  # whoever asked has died
    taken = take_next("a worker")
    assert taken is not None
    assert taken.build_id == build.pk


@pytest.mark.django_db(transaction=True)
def test_the_event_of_the_end_names_everybody_who_still_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ImageError("x", "It failed.")

    monkeypatch.setattr("builds.steps.make_image", fail)
    ada, bob, eve = person("ada"), person("bob"), person("eve")
    version = saved("a==1\n")
    build = asked(version, ada)
    request_build(version, bob)
    request_build(version, eve)
    cancel_for(build, eve)

    runner.run(build.pk, "a worker")

    event = Event.objects.get(verb="build.failed")
    assert event.details["asked_by"] == ["ada", "bob"]


@pytest.mark.django_db
def test_who_comes_before_a_cancelled_build_has_stopped_keeps_it_going() -> None:
    ann, ben, version = person("ann"), person("ben"), saved("a==1\n")
    build = asked(version, ann)
    with played(build) as (claim, _):
        cancel_for(build, ann)
        assert claim.should_stop()

        assert request_build(version, ben).build == build

        assert not claim.should_stop()
        cancel_for(build, ben)
        assert claim.should_stop()


@pytest.mark.django_db(transaction=True)
def test_who_comes_when_its_worker_has_just_seen_the_cancel_gets_it_built_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann, ben, version = person("ann"), person("ben"), saved("a==1\n")
    build = asked(version, ann)

    def stop_too_late(*_: object) -> None:
        cancel_for(build, ann)
        request_build(version, ben)
        raise Cancelled

    monkeypatch.setattr("builds.steps.make_image", stop_too_late)
    runner.run(build.pk, "a worker")

    build.refresh_from_db()
    assert (build.state, build.attempt, build.claim) == (State.QUEUED, 0, None)
    assert "Somebody waits for this build again" in read_log(build.pk).text
    claim = take_next("a worker")
    assert claim is not None
    assert not claim.should_stop()
    assert not Event.objects.filter(verb="build.cancelled", details__asked_by=["ben"]).exists()


@pytest.mark.django_db
def test_a_build_that_was_stopped_for_everybody_takes_nobody_in_before_it_has_ended() -> None:
    version = saved("a==1\n")
    build = asked(version, person("ann"))
    with played(build) as (claim, _):
        stop_for_all(build, person("olga"))
        with pytest.raises(NotPossible, match="olga has stopped"):
            request_build(version, person("ben"))
        claim.cancel()

    again = request_build(version, person("eve"))
    assert again.build != build
    assert not again.joined


@pytest.mark.django_db
def test_a_cancelled_build_of_a_studio_that_stops_is_cancelled_and_waits_for_no_other_start() -> None:
    ann = person("ann")
    build = asked(saved("a==1\n"), ann)
    with played(build) as (claim, _):
        cancel_for(build, ann)
        claim.give_back()

    build.refresh_from_db()
    assert build.state == State.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_leaving_and_coming_at_the_same_moment_leaves_nobody_waiting_for_what_is_cancelled() -> None:
    ann, ben, version = person("ann"), person("ben"), saved("a==1\n")
    for _ in range(10):
        build = asked(version, ann)
        claim = Claim.take(build.pk, "a worker")
        assert claim is not None
        start = threading.Barrier(2)
        told: list[Request] = []

        def come(start: threading.Barrier = start, told: list[Request] = told) -> None:
            start.wait(60)
            try:
                told.append(request_build(version, ben))
            finally:
                connection.close()

        other = threading.Thread(target=come)
        other.start()
        start.wait(60)
        cancel_for(build, ann)
        other.join(30)
        (request,) = told
        assert request.build == build
        assert not claim.should_stop()
        claim.fail("x", "It failed.", "", "author")
