"""A workspace's stream: it names what changed, to those who may see it, from any process and any query."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from builds.live import build_events, topic_changes, workspace_stream
from builds.live.topic_changes import board
from builds.models import Build, Image, Trial
from environments.catalogue.deprecations import deprecate
from environments.catalogue.proposals import propose
from environments.models import Member, Role
from environments.models.notifications import NoticeKind
from environments.notifications.inbox import mark_read
from environments.notifications.notices import notify
from environments.versions.service import archive_environment
from studio.asgi import application
from tests.builds.scenarios import (
    browser_of,
    fail_build,
    image_for,
    person,
    queue_build,
    save_text,
    succeed_build,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("either_database")]
SECONDS = 15


class Page:
    """A page's EventSource, and the topics that it was sent."""

    def __init__(
        self, user: User | None, workspace: str = "lab", *, since: str = "", last_id: str = ""
    ) -> None:
        self.user = user
        headers = [(b"host", b"testserver")]
        if last_id:
            headers.append((b"last-event-id", last_id.encode()))
        self.scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": f"/w/{workspace}/events/",
            "query_string": f"since={since}".encode(),
            "headers": headers,
        }
        self.text = ""
        self.ended = False

    async def open(self) -> Page:
        for cookie in (await sync_to_async(self.sign_in)()).values():
            self.scope["headers"].append((b"cookie", f"{cookie.key}={cookie.value}".encode()))
        communicator: Any = ApplicationCommunicator  # it has no types
        self.connection = communicator(application, self.scope)
        await self.connection.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await self.connection.receive_output(SECONDS)
        self.status = start["status"]
        return self

    def sign_in(self) -> Any:
        cookies = browser_of(self.user).cookies
        connection.close()  # this thread's own
        return cookies

    async def receive(self) -> None:
        message = await self.connection.receive_output(SECONDS)
        self.text += message.get("body", b"").decode()
        self.ended = not message.get("more_body", False)

    async def settle(self) -> Page:
        """Take what is sent to a new page."""
        while not self.topics:
            await self.receive()
        await asyncio.sleep(0.8)
        while not await self.connection.receive_nothing(0.3):
            await self.receive()
        return self

    @property
    def topics(self) -> set[str]:
        return {
            topic
            for data in re.findall(r"^data: (.*)$", self.text, re.MULTILINE)
            for topic in json.loads(data)["topics"]
        }

    @property
    def position(self) -> str:
        return str(re.findall(r"^id: (.*)$", self.text, re.MULTILINE)[-1])

    async def topics_after(self, change: Callable[[], Any]) -> set[str]:
        """Make a change, and return the topics that are sent within a second of the first."""
        self.text = ""
        await sync_to_async(closing(change))()
        nothing = await self.connection.receive_nothing(2)
        while not nothing:
            await self.receive()
            nothing = await self.connection.receive_nothing(0.7)
        return self.topics

    async def leave(self) -> None:
        await self.connection.send_input({"type": "http.disconnect"})
        await self.connection.wait(SECONDS)


def closing(work: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> None:
        work()
        connection.close()  # this thread's own

    return run


def live(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test that follows streams."""

    async def within_time() -> None:
        async with asyncio.timeout(90):
            await work()

    board.open()
    build_events.hub.open()
    asyncio.run(within_time())
    topic_changes._thread.submit(topic_changes.close_connection).result()


@pytest.fixture
def olga() -> User:
    return person("olga", lab=Role.OWNER)


def test_each_kind_of_change_is_named_within_a_second(olga: User) -> None:
    version = save_text("numpy==2.1.3\n")
    other = save_text("pandas==2.2.3\n", name="other")
    build = queue_build(version, olga)
    queued = queue_build(other, olga)
    notice = notify([olga], NoticeKind.DEPRECATION, "x")[0]

    async def work() -> None:
        page = await (await Page(olga).open()).settle()
        assert await page.topics_after(lambda: succeed_build(build)) == {"builds", "images", "notices"}
        assert await page.topics_after(lambda: fail_build(queued)) == {"builds", "notices"}
        assert await page.topics_after(lambda: save_text("six==1.16.0\n", name="new")) == {"environments"}
        assert await page.topics_after(lambda: archive_environment(other.environment, olga)) == {
            "environments"
        }
        assert await page.topics_after(lambda: mark_read(olga, [notice.pk])) == {"notices"}
        assert await page.topics_after(lambda: Image.objects.all().delete()) >= {"images"}
        assert await page.topics_after(lambda: Build.objects.filter(pk=queued.pk).delete()) == {"builds"}
        await page.leave()

    live(work)


def test_lines_of_a_log_and_beats_of_a_heart_are_no_change_of_a_list(olga: User) -> None:
    build = queue_build(save_text("numpy==2.1.3\n"), olga)

    async def work() -> None:
        page = await (await Page(olga).open()).settle()

        def write() -> None:
            from builds.queue.claims import Claim

            claim = Claim.take(build.pk, "w")
            assert claim
            connection.close()

        assert await page.topics_after(write) == {"builds"}
        lines = Build.objects.filter(pk=build.pk)

        def log() -> None:
            lines.update(revision=7, log_seq=7, heartbeat_at=timezone.now())

        assert await page.topics_after(log) == set()
        await page.leave()

    live(work)


def test_the_stream_says_nothing_of_other_workspaces_and_other_people(olga: User) -> None:
    fred = person("fred", other=Role.OWNER)
    elsewhere = save_text("numpy==2.1.3\n", workspace="other")
    build = queue_build(elsewhere, fred)

    async def work() -> None:
        page = await (await Page(olga).open()).settle()
        assert await page.topics_after(lambda: succeed_build(build)) == set()
        assert await page.topics_after(lambda: save_text("six==1\n", name="x", workspace="other")) == set()
        assert await page.topics_after(lambda: notify([fred], NoticeKind.DEPRECATION, "x")) == set()
        await page.leave()

    live(work)


def test_proposals_are_named_to_their_workspace_and_to_reviewers_only(olga: User) -> None:
    paul = person("paul", lab=Role.CONTRIBUTOR)
    reader = person("rita", lab=Role.READER)
    curator = person("cleo", curated=Role.CONTRIBUTOR, elsewhere=Role.OWNER)
    stranger = person("sam", elsewhere=Role.OWNER)
    version = save_text("numpy==2.1.3\n", user=paul)
    image = image_for(version)

    async def work() -> None:
        pages = [
            await (await Page(user, workspace).open()).settle()
            for user, workspace in (
                (olga, "lab"),
                (reader, "lab"),
                (curator, "elsewhere"),
                (curator, "curated"),
                (stranger, "elsewhere"),
                (stranger, "curated"),
            )
        ]
        for page in pages:
            page.text = ""

        def change() -> None:
            propose(version, paul, name="AzureML-new", as_new=True, comment="Good.")
            Trial.objects.update_or_create(digest=image.digest, defaults={"state": "passed"})

        await pages[0].topics_after(change)
        await asyncio.sleep(1)
        for page in pages:
            while not await page.connection.receive_nothing(0.2):
                await page.receive()
        assert ["proposals" in page.topics for page in pages] == [True, False, True, True, False, False]
        for page in pages:
            await page.leave()

    live(work)


def test_a_build_of_what_is_proposed_is_named_to_the_reviewers_of_the_catalogue(olga: User) -> None:
    curator = person("cleo", curated=Role.CONTRIBUTOR)
    version = save_text("numpy==2.1.3\n", user=olga)
    propose(version, olga, name="AzureML-new", as_new=True, comment="Good.")
    build = queue_build(version, olga)

    async def work() -> None:
        page = await (await Page(curator, "curated").open()).settle()
        assert await page.topics_after(lambda: succeed_build(build)) == {"proposals"}
        await page.leave()

    live(work)


def test_a_deprecation_is_named_to_everybody_since_all_read_the_catalogue(olga: User) -> None:
    version = save_text("six==1.16.0\n", name="AzureML-old", workspace="curated")

    async def work() -> None:
        page = await (await Page(olga).open()).settle()
        gone = lambda: deprecate(version.environment, person("cleo"), on=timezone.localdate(), reason="Old.")  # noqa: E731
        assert await page.topics_after(gone) == {"environments"}
        await page.leave()

    live(work)


def test_a_page_that_reconnects_gets_what_it_missed_and_only_that(olga: User) -> None:
    async def work() -> None:
        page = await (await Page(olga).open()).settle()
        position = page.position
        await page.leave()
        await sync_to_async(closing(lambda: save_text("six==1\n", name="meanwhile")))()
        await asyncio.sleep(0.6)
        again = await Page(olga, last_id=position).open()
        while not again.topics:
            await again.receive()
        assert again.topics == {"environments"}
        other = await Page(olga, since=again.position).open()
        await other.receive()
        await asyncio.sleep(0.5)
        assert await other.connection.receive_nothing(0.3)
        assert other.topics == set()
        await again.leave()
        await other.leave()

    live(work)


@pytest.mark.parametrize("loss", ["membership", "session", "account"])
def test_who_loses_access_loses_the_stream(olga: User, monkeypatch: pytest.MonkeyPatch, loss: str) -> None:
    monkeypatch.setattr(workspace_stream, "ACCESS_SECONDS", 0.3)
    monkeypatch.setattr(workspace_stream, "HEARTBEAT_SECONDS", 0.2)
    person("other-owner", lab=Role.OWNER)

    def lose() -> None:
        if loss == "membership":
            Member.objects.filter(user=olga).delete()
        elif loss == "session":
            Session.objects.all().delete()
        else:
            User.objects.filter(pk=olga.pk).update(is_active=False)

    async def work() -> None:
        page = await Page(olga).open()
        await page.receive()
        await sync_to_async(closing(lose))()
        while not page.ended:
            await page.receive()
        assert board.page_count == 0

    live(work)


@pytest.mark.parametrize(("name", "status"), [("", 404), ("sam", 404), ("rita", 200)])
def test_only_members_open_the_stream(olga: User, name: str, status: int) -> None:
    rita, sam = person("rita", lab=Role.READER), person("sam", other=Role.OWNER)
    user = {"": None, "sam": sam, "rita": rita}[name]

    async def work() -> None:
        page = await Page(user).open()
        assert page.status == status
        await page.leave()

    live(work)


def test_many_pages_cost_no_thread_no_connection_and_no_query(olga: User) -> None:
    import threading

    build = queue_build(save_text("numpy==2.1.3\n"), olga)

    async def work() -> None:
        first = await (await Page(olga).open()).settle()
        threads = threading.active_count()
        pages = [await Page(olga).open() for _ in range(50)]
        for page in pages:
            while not page.topics:
                await page.receive()
        await asyncio.sleep(0.5)
        assert threading.active_count() <= threads + 3  # those of signing in
        await first.topics_after(lambda: succeed_build(build))
        for page in pages:
            page.text = ""
            while "builds" not in page.topics:
                await page.receive()
        assert board.page_count == 51
        for page in [first, *pages]:
            await page.leave()

    live(work)
