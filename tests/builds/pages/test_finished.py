"""Requesters see the outcome of a build on their next page, unless they watched it end."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from builds.models import Build, BuildRequest
from builds.queue.requests import request_build
from environments.models import Member, Role
from tests.builds.live.test_stream import Viewer, live
from tests.builds.scenarios import browser_of, fail_build, person, queue_build, save_text, succeed_build

pytestmark = pytest.mark.django_db

PAGE = "/w/lab/environments/"
DISMISS = "/finished-builds/dismiss"


@pytest.fixture
def carla() -> User:
    return person("carla", lab=Role.CONTRIBUTOR)


@pytest.fixture
def browser(carla: User) -> Client:
    return browser_of(carla)


@pytest.fixture
def build(carla: User) -> Build:
    return queue_build(save_text("numpy==2.1.3\n"), carla)


def notice(browser: Client, page: str = PAGE) -> str:
    """Return what a page says of builds that have ended."""
    text = browser.get(page).content.decode()
    section = re.search(r'<section class="messages" id="finished-builds".*?</section>', text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", section[0]).split()) if section else ""


def test_an_unseen_outcome_is_on_every_page_until_the_build_is_opened(browser: Client, build: Build) -> None:
    assert notice(browser) == ""
    succeed_build(build)
    for page in (PAGE, "/w/lab/activity/", "/account/tokens/", "/w/nowhere/builds/"):
        assert notice(browser, page) == "forecast:1 is ready. See the build of forecast:1"

    page = browser.get(f"/w/lab/builds/{build.pk}/").content.decode()
    assert 'id="finished-builds"' not in page  # the page of the build says it itself
    assert notice(browser) == ""


def test_a_failure_is_shown_with_its_cause(browser: Client, build: Build) -> None:
    fail_build(build)
    assert notice(browser).startswith("forecast:1 failed: Package not found. There is no package nunpy.")


def test_every_requester_sees_the_outcome_and_nobody_else(browser: Client, build: Build) -> None:
    fred, olga = person("fred", lab=Role.CONTRIBUTOR), person("olga", lab=Role.OWNER)
    request_build(save_text("numpy==2.1.3\n", name="other"), fred)
    succeed_build(build)

    assert "forecast:1 is ready" in notice(browser)
    assert "other:1 is ready" in notice(browser_of(fred))  # by the name they requested
    assert notice(browser_of(olga)) == ""
    browser.post(DISMISS, {"build": build.pk})
    assert notice(browser) == ""
    assert "other:1 is ready" in notice(browser_of(fred))


def test_after_a_cancellation_or_after_leaving_the_workspace_nothing_is_shown(
    browser: Client, carla: User, build: Build
) -> None:
    fred = person("fred", lab=Role.CONTRIBUTOR, other=Role.READER)
    request_build(build.version, fred)
    browser.post(f"/w/lab/builds/{build.pk}/cancel")
    succeed_build(build)
    Member.objects.filter(user=fred, workspace__name="lab").delete()

    assert notice(browser) == ""
    assert notice(browser_of(fred), "/w/other/environments/") == ""


def test_what_was_ready_at_once_is_no_news(browser: Client, carla: User, build: Build) -> None:
    succeed_build(build)
    browser.post(DISMISS, {"build": build.pk})
    assert request_build(build.version, carla).reused
    assert notice(browser) == ""


def test_dismissing_works_without_javascript_and_returns_to_the_same_page(
    browser: Client, build: Build
) -> None:
    fail_build(build)
    assert browser.get(DISMISS).status_code == 405
    assert browser.post(DISMISS, {"build": "x"}).status_code == 400
    assert browser.post(DISMISS, {"until": "2026-01-01"}).status_code == 400
    assert "forecast:1" in notice(browser)
    back = browser.post(DISMISS, {"build": build.pk, "next": "/w/lab/builds/?q=a&by=me"})
    assert back["Location"] == "/w/lab/builds/?q=a&by=me"
    assert notice(browser) == ""
    assert browser.post(DISMISS, {"build": build.pk, "next": "https://evil.example/"})["Location"] == "/"
    assert browser.post(DISMISS, {"build": build.pk}, headers={"HX-Request": "true"}).content == b""


def test_many_outcomes_take_the_same_queries_and_are_dismissed_together(
    browser: Client, carla: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser.get(PAGE)  # the first page keeps the workspace in the session
    with CaptureQueriesContext(connection) as none:
        browser.get("/account/tokens/")
    for number in range(5):
        fail_build(queue_build(save_text(f"a=={number}\n", name=f"env-{number}"), carla))
    twice = queue_build(save_text("a==5\n", name="env-5"), carla)
    request_build(twice.version, carla)
    fail_build(twice)
    late = queue_build(save_text("b==1\n", name="late"), carla)

    with django_assert_num_queries(len(none)):
        page = notice(browser, "/account/tokens/")
    assert re.findall(r"([\w-]+):1 failed", page) == ["env-5", "env-4", "env-3"]
    assert "More of your builds have ended." in page

    until = re.search(r'name="until" value="([^"]+)"', browser.get(PAGE).content.decode())
    assert until
    fail_build(late)  # after the page was made: nobody has seen it
    browser.post(DISMISS, {"until": until[1]})
    assert re.findall(r"([\w-]+):1 failed", notice(browser)) == ["late"]


@pytest.mark.django_db(transaction=True)
def test_a_viewer_who_watched_the_end_does_not_see_it_again(
    browser: Client, carla: User, build: Build
) -> None:
    fred = person("fred", lab=Role.CONTRIBUTOR)
    request_build(build.version, fred)
    fail_build(build)

    async def watch() -> None:
        viewer = await Viewer(build, carla).open()
        await viewer.to_its_end()

    live(watch)

    assert notice(browser) == ""
    assert "forecast:1 failed" in notice(browser_of(fred))
    assert BuildRequest.objects.get(user=carla).seen_at <= timezone.now()  # type: ignore[operator]
