"""An owner stops a build that others wait for: at once, for everybody, and each of them is notified."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from builds.models import Build, BuildState
from builds.queue.requests import StateConflict, request_build, stop_build
from environments.models import Event, Role
from environments.models.notifications import Notice
from tests.builds.scenarios import browser_of, claim_build, person, queue_build, save_text, succeed_build
from tests.studio.api.calling import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def carla() -> User:
    return person("carla", lab=Role.CONTRIBUTOR)


@pytest.fixture
def olga() -> User:
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def build(carla: User) -> Build:
    """A build that carla and fred wait for."""
    made = queue_build(save_text("numpy==2.1.3\n"), carla)
    request_build(made.version, person("fred", lab=Role.CONTRIBUTOR))
    return made


def page_of(build: Build) -> str:
    return f"/w/lab/builds/{build.pk}/"


def text_of(client: Client, path: str) -> str:
    return str(client.get(path, follow=True).content.decode())


def state_of(build: Build) -> str:
    build.refresh_from_db()
    return build.state


def test_a_waiting_build_ends_at_once_and_its_requesters_learn_who_stopped_it(
    olga: User, carla: User, build: Build
) -> None:
    browser = browser_of(olga)
    assert f'href="{page_of(build)}stop/"' in text_of(browser, page_of(build))
    before = text_of(browser, f"{page_of(build)}stop/")
    assert "2 people are waiting" in before
    assert "carla" in before
    assert "fred" in before
    assert state_of(build) == BuildState.QUEUED  # asking changes nothing

    after = browser.post(f"{page_of(build)}stop/", follow=True).content.decode()

    assert state_of(build) == BuildState.CANCELLED
    assert "olga stopped the build for everyone." in after
    notices = Notice.objects.order_by("pk").values_list("user__username", "subject", "text")
    assert list(notices) == [
        (
            name,
            "Build stopped: forecast:1 in lab",
            "olga stopped it for everyone who was waiting.",
        )
        for name in ("carla", "fred")
    ]
    event = Event.objects.get(verb="build.stopped")
    assert (event.actor, event.subject, event.details["waited"]) == (olga, "forecast:1", ["carla", "fred"])
    assert "stopped the build of" in text_of(browser, "/w/lab/activity/")


def test_a_running_build_is_asked_to_stop_and_ends_as_stopped(olga: User, build: Build) -> None:
    browser = browser_of(olga)
    with claim_build(build) as (claim, _):
        browser.post(f"{page_of(build)}stop/")
        page = text_of(browser, page_of(build))
        assert "stopping …" in page
        assert "stop/" not in page.partition("<main")[2]
        assert claim.should_stop()
        claim.cancel()

    assert "olga stopped the build for everyone." in text_of(browser, page_of(build))


def test_the_only_requester_cancels_and_cannot_stop_for_everybody(olga: User, carla: User) -> None:
    build = queue_build(save_text("numpy==2.1.3\n"), olga)
    page = text_of(browser_of(olga), page_of(build))
    assert "<span>Cancel build</span>" in page
    assert "Stop for everyone" not in page

    request_build(build.version, carla)
    page = text_of(browser_of(olga), page_of(build))
    assert "<span>Stop waiting</span>" in page
    assert "Stop for everyone" in page


@pytest.mark.parametrize(("role", "status"), [(Role.CONTRIBUTOR, 403), (Role.READER, 403), (None, 404)])
def test_nobody_but_an_owner_stops_what_others_wait_for(build: Build, role: Role | None, status: int) -> None:
    user = person("sam", **({"lab": role} if role else {"other": Role.OWNER}))
    browser = browser_of(user)

    assert browser.get(f"{page_of(build)}stop/").status_code == status
    assert browser.post(f"{page_of(build)}stop/").status_code == status
    assert Caller(user)("POST", f"workspaces/lab/builds/{build.pk}/stop/").status == status
    assert "Stop for everyone" not in (text_of(browser, page_of(build)) if role else "")
    assert state_of(build) == BuildState.QUEUED


def test_a_build_of_another_workspace_is_not_found_below_ones_own(build: Build) -> None:
    browser = browser_of(person("otto", other=Role.OWNER))

    assert browser.post(f"/w/other/builds/{build.pk}/stop/").status_code == 404
    assert state_of(build) == BuildState.QUEUED


def test_what_has_ended_or_was_stopped_before_is_not_stopped(olga: User, build: Build) -> None:
    with claim_build(build) as (claim, _):
        stop_build(build, olga)
        with pytest.raises(StateConflict, match="already stopped"):
            stop_build(build, olga)
        claim.cancel()
    with pytest.raises(StateConflict, match="already ended"):
        stop_build(build, olga)

    browser = browser_of(olga)
    assert "This build has ended" in text_of(browser, f"{page_of(build)}stop/")
    assert "already ended" in browser.post(f"{page_of(build)}stop/", follow=True).content.decode()
    assert Event.objects.filter(verb="build.stopped").count() == 1


def test_a_build_that_was_quicker_is_ready_all_the_same(olga: User, carla: User) -> None:
    build = queue_build(save_text("numpy==2.1.3\n"), carla)
    with claim_build(build):
        stop_build(build, olga)
    Build.objects.filter(pk=build.pk).update(state=BuildState.QUEUED)
    succeed_build(build)

    assert "The image is ready" in text_of(browser_of(carla), page_of(build))


def test_the_api_stops_a_build_and_returns_who_stopped_it(olga: User, build: Build) -> None:
    call = Caller(olga)
    at = f"workspaces/lab/builds/{build.pk}/"
    assert call("GET", at).json["stopped_by"] is None

    stopped = call("POST", f"{at}stop/")

    assert (stopped.status, stopped.json["state"], stopped.json["stopped_by"]) == (200, "cancelled", "olga")
    again = call("POST", f"{at}stop/")
    assert (again.status, again.code) == (409, "not-possible")
