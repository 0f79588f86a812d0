"""Requests for images: one build for equal requests, reuse, cancellation (rules 8-16)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from builds.imaging.reporting import Cancelled, ImageError
from builds.logs import read_log
from builds.models import BaseImage, Build, BuildRequest, BuildState, Image
from builds.queue.claims import Claim
from builds.queue.fairness import claim_next
from builds.queue.requests import (
    StateConflict,
    base_has_moved,
    cancel_requests_of,
    image_status,
    request_build,
    retry,
    stop_build,
)
from builds.worker import runner
from builds.worker.reporter import BuildReporter
from environments.models import Event
from tests.builds.scenarios import claim_build, fail_build, person, queue_build, save_text, succeed_build

pytestmark = pytest.mark.usefixtures("either_database")


@pytest.mark.django_db
def test_two_clicks_make_one_build() -> None:
    version = save_text("a==1\n")

    first, second = request_build(version), request_build(version)

    assert first.build == second.build
    assert (first.joined, second.joined) == (False, True)
    assert Build.objects.count() == 1


@pytest.mark.django_db
def test_viewers_see_requests_come_and_go() -> None:
    ann, ben, version = person("ann"), person("ben"), save_text("a==1\n")
    build = queue_build(version, ann)

    request_build(version, ben)
    assert visible_changes(build) > 0

    before = visible_changes(build)
    cancel_requests_of(build, ben)
    assert visible_changes(build) > before


def visible_changes(build: Build) -> int:
    """Return how often a build's page has changed in more than its log."""
    build.refresh_from_db()
    return build.revision - build.log_seq


@pytest.mark.django_db(transaction=True)
def test_fifty_requests_at_the_same_moment_make_one_build() -> None:
    version = save_text("a==1\n")
    start = threading.Barrier(50)
    builds, problems = [], []

    def request() -> None:
        try:
            start.wait(30)
            builds.append(request_build(version).build_id)
        except Exception as error:  # raised in the test's own thread
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=request) for _ in range(50)]
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
    image = succeed_build(queue_build(save_text("a==1\n", name="first")))

    request = request_build(save_text("# why\r\na==1\r\n", name="second"))

    assert (request.image, request.build, request.reused) == (image, None, True)


@pytest.mark.django_db
def test_the_catalogues_image_serves_a_workspace_but_not_the_other_way_round() -> None:
    """Rules 8 and 10."""
    curated = succeed_build(queue_build(save_text("a==1\n", workspace="curated", name="AzureML-a")))
    assert request_build(save_text("a==1\n", workspace="lab")).image == curated

    succeed_build(queue_build(save_text("b==1\n", workspace="lab")))
    assert request_build(save_text("b==1\n", workspace="curated", name="AzureML-b")).build


@pytest.mark.django_db
def test_another_workspaces_image_is_not_seen() -> None:
    succeed_build(queue_build(save_text("a==1\n", workspace="lab")))

    assert image_status(save_text("a==1\n", workspace="shop")).state == "new"


@pytest.mark.django_db
def test_cancelling_yours_leaves_the_others() -> None:
    ada, bob, eve = person("ada"), person("bob"), person("eve")
    version = save_text("a==1\n")
    build = queue_build(version, ada)
    request_build(version, bob)

    cancel_requests_of(build, ada)
    build.refresh_from_db()
    assert build.state == BuildState.QUEUED

    with pytest.raises(StateConflict):
        cancel_requests_of(build, eve)
    with pytest.raises(StateConflict):
        cancel_requests_of(build, ada)

    cancel_requests_of(build, bob)
    build.refresh_from_db()
    assert build.state == BuildState.CANCELLED


@pytest.mark.django_db
def test_cancelling_a_running_build_raises_the_flag_and_its_worker_sees_it() -> None:
    ada = person("ada")
    build = queue_build(save_text("a==1\n"), ada)
    claim = Claim.take(build.pk, "worker")
    assert claim is not None
    assert not claim.should_stop()

    cancel_requests_of(build, ada)

    assert claim.should_stop()


@pytest.mark.django_db
def test_a_failed_build_can_be_retried_and_an_active_build_cannot() -> None:
    ada = person("ada")
    version = save_text("a==1\n")
    build = queue_build(version, ada)
    with pytest.raises(StateConflict):
        retry(build, ada)
    fail_build(build)
    build.refresh_from_db()

    again = retry(build, ada).build

    assert again
    assert again != build


@pytest.mark.django_db
def test_a_rebuild_keeps_the_old_image_until_the_new_image_exists() -> None:
    """Rule 16."""
    version = save_text("a==1\n")
    old = succeed_build(queue_build(version))

    build = request_build(version, rebuild=True).build
    assert build is not None
    fail_build(build)

    assert image_status(version).image == old
    assert Image.objects.get().current


@pytest.mark.django_db
def test_a_floating_base_that_moved_requires_a_new_build() -> None:
    """Rule 18."""
    version = save_text("a==1\n")
    version.data = {**version.data, "image": "ubuntu"}
    image = succeed_build(queue_build(version))
    image.floating, image.base_digest = True, "sha256:" + "1" * 64
    assert base_has_moved(version, image), "nobody knows what the tag is now"
    known = BaseImage.objects.create(
        reference="docker.io/library/ubuntu:latest", digest=image.base_digest, checked_at=timezone.now()
    )
    assert not base_has_moved(version, image)

    BaseImage.objects.filter(pk=known.pk).update(digest="sha256:" + "2" * 64)

    assert base_has_moved(version, image)


@pytest.mark.django_db
def test_no_worker_claims_an_inline_build_unless_its_caller_dies(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    messages: list[object] = []
    monkeypatch.setattr(
        "builds.queue.messages.current_app.send_task", lambda *args, **options: messages.append(options)
    )
    with django_capture_on_commit_callbacks(execute=True):
        build = request_build(save_text("a==1\n"), inline=True).build
    assert build is not None

    assert messages == []
    assert claim_next("a worker") is None

    Build.objects.update(reserved_until=timezone.now() - timedelta(seconds=1))  # the caller has died
    taken = claim_next("a worker")
    assert taken is not None
    assert taken.build_id == build.pk


@pytest.mark.django_db(transaction=True)
def test_the_event_of_the_end_names_everybody_who_still_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ImageError("x", "It failed.")

    monkeypatch.setattr("builds.worker.steps.make_image", fail)
    ada, bob, eve = person("ada"), person("bob"), person("eve")
    version = save_text("a==1\n")
    build = queue_build(version, ada)
    request_build(version, bob)
    request_build(version, eve)
    cancel_requests_of(build, eve)

    runner.run_build(build.pk, "a worker")

    event = Event.objects.get(verb="build.failed")
    assert event.details["asked_by"] == ["ada", "bob"]


@pytest.mark.django_db
def test_a_request_before_a_cancelled_build_has_stopped_keeps_it_running() -> None:
    ann, ben, version = person("ann"), person("ben"), save_text("a==1\n")
    build = queue_build(version, ann)
    with claim_build(build) as (claim, _):
        cancel_requests_of(build, ann)
        assert claim.should_stop()

        assert request_build(version, ben).build == build

        assert not claim.should_stop()
        cancel_requests_of(build, ben)
        assert claim.should_stop()


@pytest.mark.django_db(transaction=True)
def test_a_request_after_the_worker_has_seen_the_cancellation_returns_the_build_to_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann, ben, version = person("ann"), person("ben"), save_text("a==1\n")
    build = queue_build(version, ann)

    def stop_too_late(_: Build, reporter: BuildReporter) -> None:
        cancel_requests_of(build, ann)
        assert reporter._cancel.wait(30)
        try:
            reporter.check()
        finally:
            request_build(version, ben)

    monkeypatch.setattr("builds.worker.steps.make_image", stop_too_late)
    runner.run_build(build.pk, "a worker")

    build.refresh_from_db()
    assert (build.state, build.attempt, build.claim) == (BuildState.QUEUED, 0, None)
    assert "Requested again" in read_log(build.pk).text
    claim = claim_next("a worker")
    assert claim is not None
    assert not claim.should_stop()
    assert not Event.objects.filter(verb="build.cancelled", details__asked_by=["ben"]).exists()


@pytest.mark.django_db(transaction=True)
def test_work_that_raises_cancelled_without_a_cancellation_fails_the_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def give_up(*_: object) -> None:
        raise Cancelled

    monkeypatch.setattr("builds.worker.steps.make_image", give_up)
    build = queue_build(save_text("a==1\n"), person("ann"))
    runner.run_build(build.pk, "a worker")

    build.refresh_from_db()
    assert (build.state, build.attempt) == (BuildState.FAILED, 1)
    assert (build.error_code, build.error_fault) == (runner.STUDIO_ERROR, "studio")
    assert "Requested again" not in read_log(build.pk).text


@pytest.mark.django_db
def test_a_stopped_build_accepts_no_request_before_it_has_ended() -> None:
    version = save_text("a==1\n")
    build = queue_build(version, person("ann"))
    with claim_build(build) as (claim, _):
        stop_build(build, person("olga"))
        with pytest.raises(StateConflict, match="olga stopped"):
            request_build(version, person("ben"))
        claim.cancel()

    again = request_build(version, person("eve"))
    assert again.build != build
    assert not again.joined


@pytest.mark.django_db
def test_a_cancelled_build_ends_as_cancelled_when_the_studio_stops() -> None:
    ann = person("ann")
    build = queue_build(save_text("a==1\n"), ann)
    with claim_build(build) as (claim, _):
        cancel_requests_of(build, ann)
        claim.requeue()

    build.refresh_from_db()
    assert build.state == BuildState.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_a_request_and_a_cancellation_at_the_same_moment_keep_the_build() -> None:
    ann, ben, version = person("ann"), person("ben"), save_text("a==1\n")
    for _ in range(10):
        build = queue_build(version, ann)
        claim = Claim.take(build.pk, "a worker")
        assert claim is not None
        start = threading.Barrier(2)
        requests: list[BuildRequest] = []

        def join(start: threading.Barrier = start, requests: list[BuildRequest] = requests) -> None:
            start.wait(60)
            try:
                requests.append(request_build(version, ben))
            finally:
                connection.close()

        other = threading.Thread(target=join)
        other.start()
        start.wait(60)
        cancel_requests_of(build, ann)
        other.join(30)
        (request,) = requests
        assert request.build == build
        assert not claim.should_stop()
        claim.fail("x", "It failed.", "", "author")
