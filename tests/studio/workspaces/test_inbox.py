"""The bell and the inbox: everybody has their own notices, unread until they have seen what those are about."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from builds.models import Build
from builds.queue.requests import request_build
from environments.catalogue.proposals import propose
from environments.models import Role
from environments.models.notifications import Notice, NoticeKind, NoticePreferences
from environments.notifications.inbox import COUNTED, SHOWN
from environments.notifications.notices import notify
from environments.workspaces.tokens import create_token
from tests.builds.live.test_stream import Viewer, live
from tests.builds.scenarios import (
    browser_of,
    fail_build,
    image_for,
    person,
    queue_build,
    save_text,
    succeed_build,
)

pytestmark = pytest.mark.django_db

PAGE = "/w/lab/environments/"
INBOX = "/account/notifications/"
READ = "/account/notifications/read"
BELL = "/account/notifications/bell"


@pytest.fixture
def carla() -> User:
    return person("carla", lab=Role.CONTRIBUTOR)


@pytest.fixture
def browser(carla: User) -> Client:
    return browser_of(carla)


@pytest.fixture
def build(carla: User) -> Build:
    return queue_build(save_text("numpy==2.1.3\n"), carla)


def bell(browser: Client, page: str = PAGE) -> list[str]:
    """Return the subjects under a page's bell."""
    text = browser.get(page).content.decode()
    assert 'id="bell"' in text
    items = re.findall(r'<div class="bell-item">\s*<(?:a|span)[^>]*>(.*?)</', text, re.DOTALL)
    return [" ".join(item.split()) for item in items]


def badge(browser: Client) -> str:
    count = re.search(r'class="bell-count"[^>]*>([^<]*)<', browser.get(PAGE).content.decode())
    return count[1] if count else ""


def test_an_end_is_under_the_bell_of_every_page_until_the_build_is_opened(
    browser: Client, build: Build
) -> None:
    assert bell(browser) == []
    assert badge(browser) == ""
    succeed_build(build)
    for page in (PAGE, "/w/lab/activity/", "/account/tokens/", INBOX, BELL):
        assert bell(browser, page) == ["Build succeeded: forecast:1 in lab"]
    assert badge(browser) == "1"

    assert bell(browser, f"/w/lab/builds/{build.pk}/") == []  # the page is what it is about
    assert badge(browser) == ""
    assert "Build succeeded" in browser.get(INBOX).content.decode()  # read, and still there


def test_nothing_of_it_is_a_banner_that_moves_the_page(browser: Client, build: Build) -> None:
    fail_build(build)
    page = browser.get(PAGE).content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    assert "Build failed" not in main
    assert 'class="messages"' not in main


def test_settings_that_are_off_leave_the_bell_silent(browser: Client, carla: User) -> None:
    NoticePreferences.objects.create(user=carla, kinds={kind.value: False for kind in NoticeKind})
    succeed_build(queue_build(save_text("a==1\n", name="good"), carla))
    fail_build(queue_build(save_text("a==2\n", name="bad"), carla))
    assert bell(browser) == []
    assert not Notice.objects.exists()


def test_every_requester_has_a_notice_and_nobody_else(browser: Client, build: Build) -> None:
    fred, olga = person("fred", lab=Role.CONTRIBUTOR), person("olga", lab=Role.OWNER)
    request_build(save_text("numpy==2.1.3\n", name="other"), fred)
    succeed_build(build)
    assert len(bell(browser)) == len(bell(browser_of(fred))) == 1
    assert bell(browser_of(olga)) == []
    browser.post(READ, {"until": Notice.objects.order_by("pk").last().pk})  # type: ignore[union-attr]
    assert bell(browser) == []
    assert len(bell(browser_of(fred))) == 1


def test_a_person_marks_own_notices_only(browser: Client, carla: User) -> None:
    fred = person("fred", lab=Role.READER)
    mine, his = (notify([user], NoticeKind.DEPRECATION, "x")[0] for user in (carla, fred))
    browser.post(READ, {"notice": his.pk})
    assert Notice.objects.get(pk=his.pk).read_at is None
    browser.post(READ, {"notice": mine.pk})
    assert Notice.objects.get(pk=mine.pk).read_at is not None


def test_marking_works_without_javascript_and_returns_to_the_same_page(browser: Client, carla: User) -> None:
    notice = notify([carla], NoticeKind.DEPRECATION, "x")[0]
    assert browser.get(READ).status_code == 405
    for wrong in (
        {},
        {"notice": "x"},
        {"until": "-1"},
        {"notice": "9" * 50},
        {"notice": "²"},
        {"until": "x\0"},
    ):
        status = browser.post(READ, wrong).status_code
        assert status in (302, 400)
    assert badge(browser) == "1"
    back = browser.post(READ, {"notice": notice.pk, "next": "/w/lab/builds/?q=a&by=me"})
    assert back["Location"] == "/w/lab/builds/?q=a&by=me"
    assert badge(browser) == ""
    assert browser.post(READ, {"notice": notice.pk, "next": "https://evil.example/"})["Location"] == "/"
    part = browser.post(READ, {"notice": notice.pk}, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div class="bell"')


def test_many_notices_take_the_same_queries_and_are_read_together(
    browser: Client, carla: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser.get(PAGE)  # the first page keeps the workspace in the session
    with CaptureQueriesContext(connection) as none:
        browser.get("/account/tokens/")
    for number in range(COUNTED + 5):
        notify([carla], NoticeKind.BUILD_FAILED, f"Build failed: env-{number}:1 in lab")
    with django_assert_num_queries(len(none)):
        shown = bell(browser, "/account/tokens/")
    assert len(shown) == SHOWN
    assert shown[0] == f"Build failed: env-{COUNTED + 4}:1 in lab"
    assert badge(browser) == "99+"

    until = re.search(r'name="until" value="(\d+)"', browser.get(PAGE).content.decode())
    assert until
    notify([carla], NoticeKind.BUILD_FAILED, "Build failed: late:1 in lab")  # after the page was made
    browser.post(READ, {"until": until[1]})
    assert bell(browser) == ["Build failed: late:1 in lab"]


def test_the_inbox_has_pages_and_shows_what_is_unread(browser: Client, carla: User) -> None:
    for number in range(25):
        notify([carla], NoticeKind.DEPRECATION, f"number {number}")
    page = browser.get(INBOX).content.decode()
    assert "25 unread" in page
    assert page.count('class="unread"') == 20
    assert browser.get(f"{INBOX}?page=2").content.decode().count('class="unread"') == 5
    browser.post(READ, {"notice": Notice.objects.order_by("pk")[0].pk})
    assert "number 0<" not in browser.get(f"{INBOX}?unread&page=2").content.decode()
    assert browser.get(f"{INBOX}?page=nonsense&unread=%00").status_code == 200


def test_what_members_type_stays_text(browser: Client, carla: User) -> None:
    evil = '"><script>alert(1)</script>'
    notify(
        [carla],
        NoticeKind.PROPOSAL,
        f"{evil}\0 " * 9,
        f"<img src=x onerror=alert(1)>{evil}",
        address="/w/lab/?q=<b>",
    )
    for path in (PAGE, INBOX, BELL):
        page = browser.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_the_author_of_a_proposal_sees_the_answer_and_a_reviewer_the_proposal(
    browser: Client, carla: User
) -> None:
    curator = person("cleo", curated=Role.CONTRIBUTOR)
    version = save_text("numpy==2.1.3\n", user=carla)
    image_for(version)
    made = propose(version, carla, name="AzureML-new", as_new=True, comment="Good.")
    theirs = browser_of(curator)
    assert bell(theirs) == ["forecast:1 is proposed for the catalogue, as AzureML-new"]
    assert not Notice.objects.get().own
    page = f"/w/curated/proposals/{made.pk}/"
    assert bell(theirs, page) == []
    seen = re.search(r'name="seen" value="([^"]+)"', theirs.get(page).content.decode())
    assert seen
    theirs.post(f"{page}decide", {"decision": "changes", "words": "Pin it.", "seen": seen[1]})
    (answer,) = bell(browser)
    assert answer.startswith("cleo ")
    assert Notice.objects.get(user=carla).own
    assert bell(browser, f"/w/lab/proposals/{made.pk}/") == []


def test_strangers_have_no_bell(carla: User) -> None:
    assert 'id="bell"' not in Client().get("/login/").content.decode()
    assert Client().get(BELL).status_code == 302
    assert Client().post(READ, {"until": 1}).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_viewer_who_watched_the_end_has_read_it(browser: Client, carla: User, build: Build) -> None:
    fred = person("fred", lab=Role.CONTRIBUTOR)
    request_build(build.version, fred)
    fail_build(build)

    async def watch() -> None:
        viewer = await Viewer(build, carla).open()
        await viewer.to_its_end()

    live(watch)

    assert bell(browser) == []
    assert bell(browser_of(fred)) == ["Build failed: forecast:1 in lab"]


# The API


def test_programs_list_notices_and_mark_them_as_read(browser: Client, carla: User) -> None:
    fred = person("fred", lab=Role.READER)
    first, second = (
        notify([carla], NoticeKind.DEPRECATION, f"n{n}", "why", address="/w/lab/")[0] for n in (1, 2)
    )
    foreign = notify([fred], NoticeKind.DEPRECATION, "his")[0]
    url = "/api/v1/notices/"
    rows = browser.get(url).json()["results"]
    assert [(row["id"], row["subject"], row["url"], row["read_at"]) for row in rows] == [
        (second.pk, "n2", "/w/lab/", None),
        (first.pk, "n1", "/w/lab/", None),
    ]

    def read(body: object) -> tuple[int, object]:
        answer = browser.post(f"{url}read/", body, content_type="application/json")
        return answer.status_code, answer.json()

    assert read({"notices": [first.pk, foreign.pk]}) == (200, {"marked": 1, "unread": 1})
    assert [row["id"] for row in browser.get(f"{url}?unread=true").json()["results"]] == [second.pk]
    assert read({"until": second.pk}) == (200, {"marked": 1, "unread": 0})
    assert Notice.objects.get(pk=foreign.pk).read_at is None
    wrong: list[object] = [
        {},
        {"notices": "x"},
        {"notices": [0]},
        {"until": 2**70},
        [],
        {"notices": [1] * 501},
    ]
    for body in wrong:
        assert read(body)[0] == 400, body


def test_a_token_for_one_workspace_sees_its_notices_only(carla: User) -> None:
    from environments.models import Scope, Workspace

    for address in ("/w/lab/builds/", "/w/laboratory/", "/account/"):
        notify([carla], NoticeKind.DEPRECATION, address, address=address)
    _, secret = create_token(carla, "t", Scope.WRITE, workspace=Workspace.objects.get(name="lab"))
    headers = {"Authorization": f"Bearer {secret}"}
    rows = Client().get("/api/v1/notices/", headers=headers).json()["results"]
    assert [row["subject"] for row in rows] == ["/w/lab/builds/"]
    marked = Client().post(
        "/api/v1/notices/read/", {"until": 2**40}, content_type="application/json", headers=headers
    )
    assert marked.json() == {"marked": 1, "unread": 0}
