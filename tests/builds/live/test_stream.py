"""The live log: every viewer sees every line once and in order, whenever they come; streams cost little."""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from builds import logs
from builds.live import build_events, snapshots
from builds.live.snapshots import CHUNKS_AT_ONCE, take_snapshots
from builds.logs import LogPage
from builds.models import Build
from environments.models import Member, Role
from studio.asgi import STREAM_THREADS, application
from tests.builds.scenarios import (
    browser_of,
    claim_build,
    fail_build,
    person,
    queue_build,
    save_text,
    succeed_build,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("either_database")]
SECONDS = 10


class Viewer:
    """A browser's EventSource, and what it has received: as text and as events."""

    def __init__(self, build: Build, user: User | None, *, after: str = "", last_id: str = "") -> None:
        self.user = user
        headers = [(b"host", b"testserver")]
        if last_id:
            headers.append((b"last-event-id", last_id.encode()))
        path = f"/w/lab/builds/{build.pk}/stream"
        self.scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "query_string": f"after={after}".encode(),
            "headers": headers,
        }
        self.text = ""
        self.status = 0
        self.ended = False

    async def open(self) -> Viewer:
        browser = await sync_to_async(self.sign_in)()
        for cookie in browser.cookies.values():
            self.scope["headers"].append((b"cookie", f"{cookie.key}={cookie.value}".encode()))
        communicator: Any = ApplicationCommunicator  # it has no types
        self.connection = communicator(application, self.scope)
        await self.connection.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await self.connection.receive_output(SECONDS)
        self.status, self.headers = start["status"], dict(start["headers"])
        return self

    def sign_in(self) -> Client:
        browser = browser_of(self.user)
        connection.close()  # this thread's own
        return browser

    async def until(self, wanted: str) -> str:
        """Receive until this text came; return everything so far."""
        while wanted not in self.text:
            assert not self.ended, f"the stream ended without {wanted!r}:\n{self.text}"
            message = await self.connection.receive_output(SECONDS)
            self.text += message.get("body", b"").decode()
            self.ended = not message.get("more_body", False)
        return self.text

    async def to_its_end(self) -> str:
        while not self.ended:
            message = await self.connection.receive_output(SECONDS)
            self.text += message.get("body", b"").decode()
            self.ended = not message.get("more_body", False)
        return self.text

    async def leave(self) -> None:
        await self.connection.send_input({"type": "http.disconnect"})
        await self.connection.wait(SECONDS)

    @property
    def lines(self) -> list[int]:
        return [int(number) for number in re.findall(r'id="L(\d+)"', self.text)]

    @property
    def events(self) -> list[str]:
        return re.findall(r"^event: (\w+)$", self.text, re.MULTILINE)

    @property
    def last_id(self) -> str:
        return str(re.findall(r"^id: (\d+)$", self.text, re.MULTILINE)[-1])


@pytest.fixture
def owner() -> User:
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def build(owner: User) -> Build:
    return queue_build(save_text("numpy==2.1.3\n"), owner)


def live(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test that follows streams."""
    build_events.hub.open()
    asyncio.run(work())
    build_events.snapshot_thread.submit(
        take_snapshots, {}
    ).result()  # the end of asyncio.run cut the hub's own ending short


def written(build: Build, *texts: str) -> Callable[..., Any]:
    """Return a call that plays these lines as one build, a chunk each, in a thread of its own."""

    def write() -> None:
        with claim_build(build) as (claim, reporter):
            for text in texts:
                reporter.line(text)
                reporter.log.flush()
            claim.fail("conflict", "They conflict.", "Choose.", "author", 1)
        connection.close()  # this thread's own

    return sync_to_async(write, thread_sensitive=False)


def test_who_comes_late_sees_the_log_from_line_1_and_the_end(build: Build, owner: User) -> None:
    fail_build(build)

    async def watch() -> None:
        viewer = await Viewer(build, owner).open()
        await viewer.to_its_end()
        assert viewer.status == 200
        assert viewer.headers[b"Content-Type"] == b"text/event-stream"
        assert viewer.lines == [1, 2]
        assert viewer.events == ["log", "steps", "state", "end"]
        assert "There is no package nunpy." in viewer.text
        assert "Did you mean numpy?" in viewer.text

    live(watch)


def test_lines_come_while_they_are_written(build: Build, owner: User) -> None:
    async def watch() -> None:
        viewer = await Viewer(build, owner).open()
        await viewer.until("Queued")
        await written(build, "the first line", "the second line")()
        await viewer.to_its_end()
        assert viewer.lines == [1, 2]
        assert viewer.events[-1] == "end"
        assert viewer.events.index("log") < len(viewer.events) - 1

    live(watch)


def test_a_long_log_comes_whole_and_in_order(build: Build, owner: User) -> None:
    count = 3 * CHUNKS_AT_ONCE + 7

    async def watch() -> None:
        await written(build, *(f"line {number}" for number in range(count)))()
        viewer = await Viewer(build, owner).open()
        await viewer.to_its_end()
        assert viewer.lines == list(range(1, count + 1))

    live(watch)


@pytest.mark.parametrize("way", ["after", "last_id"])
def test_who_comes_back_goes_on_where_they_were(build: Build, owner: User, way: str) -> None:
    async def watch() -> None:
        await written(build, "one", "two", "three")()
        first = await Viewer(build, owner).open()
        await first.to_its_end()
        assert first.last_id == "3"
        again = await Viewer(build, owner, **{way: "2"}).open()
        await again.to_its_end()
        assert again.lines == [3]

    live(watch)


@pytest.mark.parametrize("cursor", ["x", "-1", "99999999999999999999", "٣", "1e3"])
def test_a_cursor_that_makes_no_sense_begins_at_line_1(build: Build, owner: User, cursor: str) -> None:
    fail_build(build)

    async def watch() -> None:
        viewer = Viewer(build, owner)
        viewer.scope["query_string"] = f"after={cursor}".encode()
        await viewer.open()
        await viewer.to_its_end()
        assert viewer.lines == [1, 2]

    live(watch)


def test_a_stranger_gets_nothing(build: Build) -> None:
    stranger = person("stan", other=Role.OWNER)

    async def watch(user: User | None) -> None:
        viewer = await Viewer(build, user).open()
        assert viewer.status == 404
        assert "event:" not in (await viewer.to_its_end())

    live(lambda: watch(stranger))
    live(lambda: watch(None))


def test_a_build_of_another_workspace_is_not_there(build: Build, owner: User) -> None:
    elsewhere = person("paul", lab=Role.OWNER, other=Role.OWNER)

    async def watch() -> None:
        viewer = Viewer(build, elsewhere)
        viewer.scope["path"] = f"/w/other/builds/{build.pk}/stream"
        assert (await viewer.open()).status == 404
        viewer.scope["path"] = f"/w/lab/builds/{uuid.uuid4()}/stream"
        assert (await viewer.open()).status == 404

    live(watch)


def test_streams_end_at_once_when_the_server_stops_and_may_come_back(build: Build, owner: User) -> None:
    async def watch() -> None:
        viewer = await Viewer(build, owner).open()
        await viewer.until("event: state")
        build_events.hub.close()
        await viewer.to_its_end()
        assert "end" not in viewer.events  # the browser comes back to the next server
        assert viewer.connection.future.done() or await viewer.connection.wait(SECONDS) is None

    live(watch)


def test_a_viewer_who_leaves_leaves_nothing_behind(build: Build, owner: User) -> None:
    async def watch() -> None:
        viewer = await Viewer(build, owner).open()
        await viewer.until("event: state")
        await viewer.leave()
        assert not build_events.hub.build_ids

    live(watch)


def test_silence_is_broken_by_a_heartbeat(build: Build, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_events, "HEARTBEAT_SECONDS", 0.05)

    async def watch() -> None:
        viewer = await Viewer(build, owner).open()
        await viewer.until(": still here")
        await viewer.leave()

    live(watch)


def test_many_viewers_share_a_few_threads(build: Build, owner: User) -> None:
    async def watch() -> None:
        viewers = [await Viewer(build, owner).open() for _ in range(25)]
        for viewer in viewers:
            await viewer.until("event: state")
        names = [thread.name for thread in threading.enumerate()]
        assert sum(name.startswith("stream-") for name in names) <= STREAM_THREADS
        assert sum(name.startswith("snapshots") for name in names) == 1
        await written(build, "all of them see this")()
        for viewer in viewers:
            assert "all of them see this" in await viewer.to_its_end()

    live(watch)


def test_a_log_with_many_viewers_is_read_once(
    build: Build, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 2 * CHUNKS_AT_ONCE
    read: list[int] = []

    def read_log(build_id: uuid.UUID, after: int, limit: int) -> LogPage:
        read.append(after)
        return logs.read_log(build_id, after, limit)

    monkeypatch.setattr(snapshots, "read_log", read_log)

    async def watch() -> None:
        await written(build, *(f"line {number}" for number in range(count)))()
        viewers = [await Viewer(build, owner).open() for _ in range(10)]
        for viewer in await asyncio.gather(*(viewer.to_its_end() for viewer in viewers)):
            assert viewer.count('id="L') == count
        assert read == [0, CHUNKS_AT_ONCE]

    live(watch)


def test_the_fragment_cache_is_bounded() -> None:
    cache, first, second = snapshots.FragmentCache(limit=250), uuid.uuid4(), uuid.uuid4()
    for cursor in range(3):
        cache.put(first, cursor, snapshots.LogFragment(cursor + 1, b"x" * 100, "fetch"))
    assert [fragment.cursor for fragment in cache.contiguous(first, 1)] == [2, 3]
    assert not cache.contiguous(first, 0)  # the least recently used fragment was evicted
    cache.put(second, 0, snapshots.LogFragment(1, b"x" * 300, "fetch"))
    assert not cache.contiguous(first, 1)
    assert not cache.contiguous(second, 0)  # larger than the cache: it is read again when needed


def _removed(who: User) -> None:
    Member.objects.filter(user=who).delete()


def _signed_out(_: User) -> None:
    Session.objects.all().delete()


def _with_another_password(who: User) -> None:
    who.set_password("another one")
    who.save()


def _locked_out(who: User) -> None:
    User.objects.filter(pk=who.pk).update(is_active=False)


@pytest.mark.parametrize("ends", [_removed, _signed_out, _with_another_password, _locked_out])
def test_a_viewer_who_loses_access_sees_no_more(
    build: Build, owner: User, monkeypatch: pytest.MonkeyPatch, ends: Callable[[User], None]
) -> None:
    monkeypatch.setattr(build_events, "ACCESS_SECONDS", 0.0)
    watching = person("wanda", lab=Role.READER)

    async def watch() -> None:
        viewer = await Viewer(build, watching).open()
        await viewer.until("event: state")
        await sync_to_async(end, thread_sensitive=False)()
        await written(build, "not for their eyes")()
        assert "not for their eyes" not in (await viewer.to_its_end())

    def end() -> None:
        ends(watching)
        connection.close()

    live(watch)


def test_the_position_in_the_queue_moves_on_an_open_page(
    build: Build, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "QUEUE_SECONDS", 0.0)
    second = queue_build(save_text("six==1.16.0\n", name="other"), owner)

    async def watch() -> None:
        viewer = await Viewer(second, owner).open()
        await viewer.until("2nd in line")
        await written(build, "the first one ends")()
        await viewer.until("Next in line")
        await viewer.leave()

    live(watch)


def test_the_forms_in_a_stream_can_be_sent(build: Build, owner: User) -> None:
    async def watch() -> None:
        viewer = await Viewer(build, owner).open()
        text = await viewer.until("Cancel build</span>")
        assert re.search(r'name="csrfmiddlewaretoken" value="\w{64}"', text)
        await viewer.leave()

    live(watch)


def test_a_successful_build_ends_with_the_command_that_pulls_it(build: Build, owner: User) -> None:
    image = succeed_build(build, "done")

    async def watch() -> None:
        viewer = await Viewer(build, owner).open()
        page = await viewer.to_its_end()
        assert "docker pull testserver/lab/forecast:1<" in page
        assert f"docker pull testserver/{image.name}:latest<" in page

    live(watch)
