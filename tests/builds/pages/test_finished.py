"""Who asked for a build is told on their next page how it ended, unless they saw it end (issue 5, issue 7)."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from builds.models import Build, Request
from builds.services import request_build
from environments.models import Member, Role
from tests.builds.played import asked, browser_of, failed, person, saved, succeeded
from tests.builds.test_stream import Viewer, live

pytestmark = pytest.mark.django_db

PAGE = "/w/lab/environments/"
PUT_AWAY = "/news/put-away"


@pytest.fixture
def carla() -> User:
    return person("carla", lab=Role.CONTRIBUTOR)


@pytest.fixture
def browser(carla: User) -> Client:
    return browser_of(carla)


@pytest.fixture
def build(carla: User) -> Build:
    return asked(saved("numpy==2.1.3\n"), carla)


def told(browser: Client, page: str = PAGE) -> str:
    """Return what a page says of builds that have ended."""
    text = browser.get(page).content.decode()
    found = re.search(r'<section class="messages" id="news".*?</section>', text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split()) if found else ""


def test_a_build_that_ended_unseen_is_told_on_every_page_until_it_is_looked_at(
    browser: Client, build: Build
) -> None:
    assert told(browser) == ""
    succeeded(build)
    for page in (PAGE, "/w/lab/activity/", "/account/tokens/", "/w/nowhere/builds/"):
        assert told(browser, page) == "forecast:1 is ready. See the build of forecast:1"

    page = browser.get(f"/w/lab/builds/{build.pk}/").content.decode()
    assert 'id="news"' not in page  # the page of the build says it itself
    assert told(browser) == ""


def test_a_failure_is_told_with_its_cause(browser: Client, build: Build) -> None:
    failed(build)
    assert told(browser).startswith("forecast:1 failed: Package not found. There is no package nunpy.")


def test_only_those_who_asked_are_told_and_each_of_them(browser: Client, build: Build) -> None:
    fred, olga = person("fred", lab=Role.CONTRIBUTOR), person("olga", lab=Role.OWNER)
    request_build(saved("numpy==2.1.3\n", name="other"), fred)
    succeeded(build)

    assert "forecast:1 is ready" in told(browser)
    assert "other:1 is ready" in told(browser_of(fred))  # by the name that they asked for
    assert told(browser_of(olga)) == ""
    browser.post(PUT_AWAY, {"build": build.pk})
    assert told(browser) == ""
    assert "other:1 is ready" in told(browser_of(fred))


def test_who_stopped_waiting_and_who_left_the_workspace_is_told_nothing(
    browser: Client, carla: User, build: Build
) -> None:
    fred = person("fred", lab=Role.CONTRIBUTOR, other=Role.READER)
    request_build(build.version, fred)
    browser.post(f"/w/lab/builds/{build.pk}/cancel")
    succeeded(build)
    Member.objects.filter(user=fred, workspace__name="lab").delete()

    assert told(browser) == ""
    assert told(browser_of(fred), "/w/other/environments/") == ""


def test_what_was_ready_at_once_is_no_news(browser: Client, carla: User, build: Build) -> None:
    succeeded(build)
    browser.post(PUT_AWAY, {"build": build.pk})
    assert request_build(build.version, carla).reused
    assert told(browser) == ""


def test_putting_away_works_without_javascript_and_leads_back_to_where_one_was(
    browser: Client, build: Build
) -> None:
    failed(build)
    assert browser.get(PUT_AWAY).status_code == 405
    assert browser.post(PUT_AWAY, {"build": "x"}).status_code == 400
    assert browser.post(PUT_AWAY, {"until": "2026-01-01"}).status_code == 400
    assert "forecast:1" in told(browser)
    back = browser.post(PUT_AWAY, {"build": build.pk, "next": "/w/lab/builds/?q=a&by=me"})
    assert back["Location"] == "/w/lab/builds/?q=a&by=me"
    assert told(browser) == ""
    assert browser.post(PUT_AWAY, {"build": build.pk, "next": "https://evil.example/"})["Location"] == "/"
    assert browser.post(PUT_AWAY, {"build": build.pk}, headers={"HX-Request": "true"}).content == b""


def test_many_are_told_in_as_many_queries_as_one_and_put_away_at_once(
    browser: Client, carla: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser.get(PAGE)  # the first page keeps the workspace in the session
    with CaptureQueriesContext(connection) as none:
        browser.get("/account/tokens/")
    for number in range(5):
        failed(asked(saved(f"a=={number}\n", name=f"env-{number}"), carla))
    twice = asked(saved("a==5\n", name="env-5"), carla)
    request_build(twice.version, carla)
    failed(twice)
    late = asked(saved("b==1\n", name="late"), carla)

    with django_assert_num_queries(len(none)):
        page = told(browser, "/account/tokens/")
    assert re.findall(r"([\w-]+):1 failed", page) == ["env-5", "env-4", "env-3"]
    assert "More of your builds have ended." in page

    until = re.search(r'name="until" value="([^"]+)"', browser.get(PAGE).content.decode())
    assert until
    failed(late)  # after the page was made: nobody has seen it
    browser.post(PUT_AWAY, {"until": until[1]})
    assert re.findall(r"([\w-]+):1 failed", told(browser)) == ["late"]


@pytest.mark.django_db(transaction=True)
def test_who_watches_a_build_to_its_end_is_not_told_again(browser: Client, carla: User, build: Build) -> None:
    fred = person("fred", lab=Role.CONTRIBUTOR)
    request_build(build.version, fred)
    failed(build)

    async def watch() -> None:
        viewer = await Viewer(build, carla).open()
        await viewer.to_its_end()

    live(watch)

    assert told(browser) == ""
    assert "forecast:1 failed" in told(browser_of(fred))
    assert Request.objects.get(user=carla).told_at <= timezone.now()  # type: ignore[operator]
