"""A pull of a version without an image starts its build, waits for the end, and is answered with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from builds.imaging.oci.store import BlobStore
from builds.live.build_events import hub, snapshot_thread
from builds.live.snapshots import take_snapshots
from builds.models import Build, BuildRequest, BuildState, Image
from builds.queue.limits import set_limits
from builds.queue.requests import cancel_requests_of, retry, stop_build
from environments.models import Member, Role, Scope, Version
from environments.versions.service import archive_environment
from environments.workspaces.tokens import create_token
from studio.asgi import application
from tests.builds.distribution import Answer, ask, basic, store_image
from tests.builds.scenarios import claim_build, fail_build, image_for, person, queue_build, save_text

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("either_database")]

SECONDS = 20
PASSWORD = "a long enough password"
PATH = "/v2/lab/forecast/manifests/1"


class Pull:
    """A request of a container engine to the running application."""

    def __init__(self, user: User | None, path: str = PATH, method: str = "GET", query: bytes = b"") -> None:
        headers = [(b"host", b"testserver")]
        if user is not None:
            headers.append((b"authorization", basic(user.username, PASSWORD).encode()))
        communicator: Any = ApplicationCommunicator  # it has no types
        self.connection = communicator(
            application,
            {
                "type": "http",
                "http_version": "1.1",
                "method": method,
                "path": path,
                "query_string": query,
                "headers": headers,
            },
        )

    async def send(self) -> None:
        await self.connection.send_input({"type": "http.request", "body": b"", "more_body": False})

    async def answer(self) -> Answer:
        start = await self.connection.receive_output(SECONDS)
        body = await self.connection.receive_output(SECONDS)
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, body["body"])

    async def leave(self) -> None:
        await self.connection.send_input({"type": "http.disconnect"})
        await self.connection.wait(SECONDS)


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until this holds in the event loop."""
    async with asyncio.timeout(SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)
    # The end of the event loop cuts the hub's own ending short: its last query may still run.
    snapshot_thread.submit(take_snapshots, {}).result()


async def in_database(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run work on the database in a thread of its own, whose connection is closed after it."""

    def closing() -> Any:
        try:
            return work(*arguments)
        finally:
            connection.close()

    return await sync_to_async(closing, thread_sensitive=False)()


def waiters(count: int) -> Callable[[], bool]:
    return lambda: hub.viewer_count == count


@pytest.fixture
def member(settings: Settings) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return person("cora", lab=Role.CONTRIBUTOR)


@pytest.fixture
def version(member: User) -> Version:
    return save_text("numpy==2.1.3\n")


def message(answer: Answer) -> str:
    assert answer.code
    return str(answer.json["errors"][0]["message"])


# Waiting


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_pull_starts_the_build_and_is_answered_with_its_image(
    store: BlobStore, member: User, version: Version, method: str
) -> None:
    async def scenario() -> None:
        pull = Pull(member, method=method)
        await pull.send()
        await eventually(waiters(1))
        build = await in_database(Build.objects.get)
        # The image is in the store before the build's end is written.
        digest = store_image(store, b"what was built").digest

        def end() -> None:
            with claim_build(build) as (claim, _reporter):
                image = image_for(build.version)
                Image.objects.filter(pk=image.pk).update(digest=digest)
                claim.succeed(image, reused=False)

        await in_database(end)
        answer = await pull.answer()
        assert (answer.status, answer.headers["Docker-Content-Digest"]) == (200, digest)
        assert bool(answer.body) == (method == "GET")
        await eventually(waiters(0))

    run(scenario())
    request = BuildRequest.objects.get()
    assert (request.user, request.version, request.joined) == (member, version, False)


def test_pulls_at_once_share_a_build_and_hold_no_thread_while_they_wait(
    store: BlobStore, member: User, version: Version
) -> None:
    def page_threads() -> set[str]:
        return {thread.name for thread in threading.enumerate() if thread.name.startswith("page")}

    async def scenario() -> None:
        pulls = [Pull(member) for _ in range(12)]
        for pull in pulls:
            await pull.send()
        await eventually(waiters(12))
        await eventually(lambda: len(page_threads()) <= 4)  # those that stay
        build = await in_database(Build.objects.get)
        await in_database(fail_build, build)
        answers = [await pull.answer() for pull in pulls]
        assert {answer.status for answer in answers} == {404}
        assert {message(answer) for answer in answers} == {message(answers[0])}

    run(scenario())
    assert Build.objects.count() == 1


def test_a_failed_build_answers_with_its_cause_and_no_pull_repeats_it(member: User, version: Version) -> None:
    async def scenario() -> None:
        pull = Pull(member)
        await pull.send()
        await eventually(waiters(1))
        build = await in_database(Build.objects.get)
        await in_database(fail_build, build)
        answer = await pull.answer()
        assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")
        assert message(answer) == (
            "The build of forecast:1 failed: There is no package nunpy. Did you mean numpy? "
            f"Its log, and a button to try again: http://testserver/w/lab/builds/{build.pk}/"
        )

    run(scenario())
    again = ask(PATH, Authorization=basic("cora", PASSWORD))
    assert "There is no package nunpy." in message(again)
    assert Build.objects.count() == 1


def test_after_somebody_tried_again_a_pull_waits_for_that(member: User, version: Version) -> None:
    build = queue_build(version, member)
    fail_build(build)
    build.refresh_from_db()
    retry(build, member)

    answer = ask(PATH, Authorization=basic("cora", PASSWORD))

    assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
    assert Build.objects.count() == 2


def test_a_cancelled_build_is_not_repeated_either(member: User, version: Version) -> None:
    cancel_requests_of(queue_build(version, member), member)

    assert "The build of forecast:1 was cancelled." in message(
        ask(PATH, Authorization=basic("cora", PASSWORD))
    )
    assert Build.objects.count() == 1


def test_a_build_stopped_for_everybody_says_by_whom(member: User, version: Version) -> None:
    async def scenario() -> None:
        pull = Pull(member)
        await pull.send()
        await eventually(waiters(1))
        build = await in_database(Build.objects.get)
        owner = await in_database(lambda: person("olga", lab=Role.OWNER))
        await in_database(stop_build, build, owner)
        assert "was cancelled by olga." in message(await pull.answer())

    run(scenario())


def test_when_the_time_is_over_the_answer_says_that_the_build_goes_on(
    member: User, version: Version, settings: Settings
) -> None:
    settings.PULL_WAIT_SECONDS = 0.05

    async def scenario() -> None:
        pull = Pull(member)
        await pull.send()
        answer = await pull.answer()
        assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
        assert answer.headers["Retry-After"] == "5"
        assert "still being built" in message(answer)
        await eventually(waiters(0))

    run(scenario())
    assert Build.objects.get().state == BuildState.QUEUED


def test_a_client_that_disconnects_costs_nothing_further_and_the_build_goes_on(
    member: User, version: Version
) -> None:
    async def scenario() -> None:
        pull = Pull(member)
        await pull.send()
        await eventually(waiters(1))
        await pull.leave()
        await eventually(waiters(0))

    run(scenario())
    build = Build.objects.get()
    assert (build.state, build.cancel_requested) == (BuildState.QUEUED, False)


def test_a_server_that_stops_answers_at_once(member: User, version: Version) -> None:
    async def scenario() -> None:
        pull = Pull(member)
        await pull.send()
        await eventually(waiters(1))
        hub.close()
        try:
            assert "still being built" in message(await pull.answer())
        finally:
            hub.open()

    run(scenario())


def test_a_deleted_build_is_begun_again_within_the_time(member: User, version: Version) -> None:
    async def scenario() -> None:
        pull = Pull(member)
        await pull.send()
        await eventually(waiters(1))
        (first,) = hub.build_ids
        await in_database(Build.objects.all().delete)
        await eventually(lambda: hub.build_ids not in ([], [first]))
        second = await in_database(Build.objects.get)
        await in_database(fail_build, second)
        assert "There is no package nunpy." in message(await pull.answer())

    run(scenario())


# Rights and limits


def test_head_and_get_of_one_pull_make_one_request(member: User, version: Version) -> None:
    for method, status in (("HEAD", 307), ("GET", 429), ("GET", 429)):
        assert ask(PATH, method, Authorization=basic("cora", PASSWORD)).status == status

    assert BuildRequest.objects.count() == 1


def test_a_reader_starts_nothing_and_learns_whether_it_is_being_built(member: User, version: Version) -> None:
    reader = basic(person("rita", lab=Role.READER).username, PASSWORD)

    before = ask(PATH, Authorization=reader)
    assert (before.status, before.code) == (404, "MANIFEST_UNKNOWN")
    assert "http://testserver/w/lab/environments/forecast/versions/1/" in message(before)
    assert not Build.objects.exists()

    build = queue_build(version, member)
    assert f"It is being built: http://testserver/w/lab/builds/{build.pk}/" in message(
        ask(PATH, Authorization=reader)
    )
    fail_build(build)
    assert "There is no package nunpy." in message(ask(PATH, Authorization=reader))


def test_a_token_that_only_pulls_starts_nothing(member: User, version: Version) -> None:
    for scope, status in ((Scope.PULL, 404), (Scope.READ, 404), (Scope.WRITE, 429)):
        token = create_token(member, scope.name, scope=scope)[1]
        assert ask(PATH, Authorization=basic("cora", token)).status == status
        assert Build.objects.exists() == (scope == Scope.WRITE)


def test_nobody_starts_a_build_without_an_account(member: User, version: Version) -> None:
    workspace = version.environment.workspace
    workspace.anonymous_pull = True
    workspace.save()
    stranger = basic(person("stranger").username, PASSWORD)

    for headers in ({}, {"Authorization": stranger}):
        there, nothing = ask(PATH, **headers), ask(PATH.replace("/1", "/9"), **headers)
        assert there.body.replace(b"image 1", b"image 9") == nothing.body
        assert "has no image latest." in message(ask(PATH.replace("/1", "/latest"), **headers))
    fail_build(queue_build(version, member))
    assert "nunpy" not in message(ask(PATH))
    assert Build.objects.count() == 1


def test_nothing_is_built_where_pulls_do_not_wait(member: User, version: Version, settings: Settings) -> None:
    settings.PULL_WAIT_SECONDS = 0

    assert ask(PATH, Authorization=basic("cora", PASSWORD)).status == 404
    assert not Build.objects.exists()


def test_an_archived_version_is_built_by_its_number_as_on_its_page(member: User, version: Version) -> None:
    archive_environment(version.environment, member)

    latest = ask(PATH.replace("/1", "/latest"), Authorization=basic("cora", PASSWORD))
    assert (latest.status, latest.code) == (404, "MANIFEST_UNKNOWN")
    assert not Build.objects.exists()
    assert ask(PATH, Authorization=basic("cora", PASSWORD)).status == 429
    assert Build.objects.count() == 1


def test_a_full_queue_takes_no_build_by_a_pull(member: User, version: Version) -> None:
    set_limits(version.environment.workspace, queued=1)
    queue_build(save_text("six\n", name="other"), member)

    answer = ask(PATH, Authorization=basic("cora", PASSWORD))

    assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
    assert "The queue of lab is full: 1 of 1 builds are waiting" in message(answer)
    assert Build.objects.count() == 1


def test_a_member_of_another_workspace_starts_nothing(member: User, version: Version) -> None:
    other = basic(person("otto", shop=Role.OWNER).username, PASSWORD)

    assert ask(PATH, Authorization=other).code == "NAME_UNKNOWN"
    assert not Build.objects.exists()
    assert Member.objects.count() == 2
