"""The catalogue is built ahead of requests: by idle workers, one at a time, and never in a person's way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from builds.models import BaseImage, Build, BuildRequest, BuildState, Image
from builds.queue.fairness import claim_next, has_claimable_builds, position_of, workspace_queues
from builds.queue.prebuilds import Prebuilder, prebuilt, request_next
from builds.queue.requests import cancel_request, request_build, stop_build
from builds.worker.reporter import BuildReporter
from environments.catalogue.deprecations import deprecate
from environments.models import Event, Role, Version
from environments.models.notifications import Notice
from environments.versions.service import archive_environment
from tests.builds.scenarios import (
    browser_of,
    fail_build,
    image_for,
    main_of,
    person,
    queue_build,
    save_text,
    succeed_build,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def on(settings: Settings) -> None:
    settings.PREBUILD_CATALOGUE = True
    settings.PREBUILD_FREE_BYTES = 0


def curated(name: str = "AzureML-a", text: str = "numpy==2.0.0\n", **more: Any) -> Version:
    return save_text(text, name=name, workspace="curated", **more)


def requested() -> Build | None:
    """Return the build that a worker's next look requests."""
    request = Prebuilder().request_when_idle()
    assert request is None or request.build is not None
    return request.build if request else None


def old(build: Build, **age: float) -> None:
    Build.objects.filter(pk=build.pk).update(ended_at=timezone.now() - timedelta(**age))


def fail_outside(build: Build) -> None:
    fail_build(build, code="registry-unreachable", error="Can't reach the registry.", help="")
    Build.objects.filter(pk=build.pk).update(error_fault="outside")


# Which are built


def test_idle_workers_build_one_after_the_other_and_then_rest() -> None:
    curated("AzureML-cuda", "torch==2.0\n", tags={"device": "cuda"})
    curated("AzureML-a")
    curated("AzureML-b", "six==1.16.0\n")
    names = []
    for _ in range(3):
        build = requested()
        assert build is not None
        assert requested() is None  # one at a time
        names.append(build.version.environment.name)
        succeed_build(build)
    assert names == ["AzureML-a", "AzureML-b", "AzureML-cuda"]
    assert requested() is None
    assert (prebuilt().built, prebuilt().all) == (3, 3)


def test_it_is_requested_by_the_studio_and_nobody_is_notified() -> None:
    cora = person("cora", curated=Role.OWNER)
    curated()
    build = requested()
    assert build is not None
    request = BuildRequest.objects.get()
    assert (request.user, build.background) == (None, True)
    fail_outside(build)
    assert not Notice.objects.exists()
    assert Event.objects.filter(verb="build.requested", actor=None).exists()
    assert "the studio" in main_of(browser_of(cora).get("/w/curated/builds/").content.decode())


@pytest.mark.parametrize("reason", ["off", "disk", "busy", "archived", "deprecated", "custom"])
def test_nothing_is_built_ahead(reason: str, settings: Settings) -> None:
    version = curated() if reason != "custom" else save_text("six==1.16.0\n")
    cora = person("cora", curated=Role.CONTRIBUTOR)
    if reason == "off":
        settings.PREBUILD_CATALOGUE = False
    elif reason == "disk":
        settings.PREBUILD_FREE_BYTES = 10**18
    elif reason == "busy":
        queue_build(save_text("six==1.16.0\n"))
    elif reason == "archived":
        archive_environment(version.environment, cora)
    elif reason == "deprecated":
        deprecate(version.environment, cora, on=timezone.localdate(), reason="Old.")
    assert requested() is None
    assert not Build.objects.filter(background=True).exists()


def test_a_studio_without_a_catalogue_builds_nothing() -> None:
    assert requested() is None


# Failures


def test_a_failure_from_outside_pauses_all_and_is_repeated_no_sooner_than_after_a_day() -> None:
    curated("AzureML-a")
    curated("AzureML-b", "six==1.16.0\n")
    first = requested()
    assert first is not None
    fail_outside(first)
    assert requested() is None
    assert prebuilt().obstacle == "failures"
    old(first, hours=1.1)
    second = requested()
    assert second is not None
    assert second.hash != first.hash
    fail_outside(second)
    old(second, hours=1.5)
    assert requested() is None  # the second failure in a row: two hours
    old(second, hours=2.1)
    assert requested() is None  # both were tried today
    old(first, hours=25)
    again = requested()
    assert again is not None
    assert again.hash == first.hash


def test_a_definition_that_cannot_be_built_is_not_tried_again_and_holds_nothing_up() -> None:
    curated("AzureML-a", "nunpy==1\n")
    curated("AzureML-b", "six==1.16.0\n")
    first = requested()
    assert first is not None
    fail_build(first)
    second = requested()
    assert second is not None
    succeed_build(second)
    old(first, days=30)
    assert requested() is None


def test_what_a_curator_stopped_is_left_alone() -> None:
    curated()
    build = requested()
    assert build is not None
    stop_build(build, person("cora", curated=Role.OWNER))
    old(build, days=2)
    assert requested() is None


def test_a_base_that_has_moved_is_built_again_at_most_once_a_day() -> None:
    version = curated(text="numpy==2.0.0\n")
    build = requested()
    assert build is not None
    succeed_build(build)
    image = Image.objects.get()
    Image.objects.filter(pk=image.pk).update(floating=True)
    BaseImage.objects.create(
        reference=BaseImage.reference_of(version.definition),
        digest=f"sha256:{'cd' * 32}",
        checked_at=timezone.now(),
    )
    assert requested() is None
    old(build, days=1.1)
    again = requested()
    assert again is not None
    assert again.hash == version.hash


# People come first


def test_a_requested_build_is_claimed_before_one_in_the_background() -> None:
    curated()
    ahead = requested()
    mine = queue_build(save_text("six==1.16.0\n"))
    assert ahead is not None
    assert (position_of(mine, workspace_queues()), position_of(ahead, workspace_queues())) == (1, 2)
    first = claim_next("a worker")
    assert first is not None
    assert first.build_id == mine.pk
    assert claim_next("another worker") is None  # idle hands wait until mine has ended
    first.cancel()
    assert has_claimable_builds()
    second = claim_next("another worker")
    assert second is not None
    assert second.build_id == ahead.pk


def test_one_that_runs_in_the_background_stops_for_a_requested_build_and_keeps_its_attempts() -> None:
    curated()
    ahead = requested()
    assert ahead is not None
    claim = claim_next("a worker")
    assert claim is not None
    reporter = BuildReporter(claim)
    assert reporter._still_in_background()
    reporter.check()
    queue_build(save_text("six==1.16.0\n"))
    assert reporter._still_in_background()
    with pytest.raises(Exception, match="comes first"):
        reporter.check()
    assert reporter.overtaken
    claim.requeue()
    ahead.refresh_from_db()
    assert (ahead.state, ahead.attempt) == (BuildState.QUEUED, 0)


def test_a_request_of_the_same_joins_and_makes_it_a_build_like_any_other() -> None:
    version = curated()
    ahead = requested()
    claim = claim_next("a worker")
    assert claim is not None
    assert ahead is not None
    cora = person("cora", curated=Role.CONTRIBUTOR)
    request = request_build(version, cora)
    assert (request.build, request.joined) == (ahead, True)
    reporter = BuildReporter(claim)
    assert not reporter._still_in_background()
    queue_build(save_text("six==1.16.0\n"))
    reporter.check()
    cancel_request(request, cora)
    ahead.refresh_from_db()
    assert not ahead.cancel_requested  # the studio still wants it


def test_it_counts_neither_for_the_limits_nor_in_the_queue_of_its_workspace(settings: Settings) -> None:
    settings.LIMIT_QUEUED = settings.LIMIT_AT_ONCE = 1
    curated("AzureML-a")
    assert requested() is not None
    assert claim_next("a worker") is not None
    other = curated("AzureML-b", "six==1.16.0\n")
    cora = person("cora", curated=Role.CONTRIBUTOR)
    build = queue_build(other, cora)
    claim = claim_next("another worker")
    assert claim is not None
    assert claim.build_id == build.pk


def test_two_workers_that_look_at_once_request_one_build() -> None:
    curated("AzureML-a")
    curated("AzureML-b", "six==1.16.0\n")
    assert request_next() is not None
    assert request_next() is None
    assert Build.objects.count() == 1


def test_a_look_with_nothing_to_do_is_followed_by_none_for_a_minute(
    django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        image_for(curated(f"AzureML-{number}", f"six==1.{number}\n"))
    prebuilder = Prebuilder()
    with django_assert_max_num_queries(16):
        assert prebuilder.request_when_idle() is None
    with django_assert_num_queries(0):
        assert prebuilder.request_when_idle() is None
