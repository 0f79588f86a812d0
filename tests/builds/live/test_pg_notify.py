"""PostgreSQL notifies web processes of changed builds, from any writer; without a connection they poll."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator
from importlib import import_module
from typing import Any

import dj_database_url
import psycopg
import pytest
from django.db.utils import ConnectionHandler

from builds.live import pg_notify
from tests.services.servers.postgres import Postgres

SECONDS = 30
CREATE_TRIGGER = import_module("builds.migrations.0002_notify_trigger").CREATE_TRIGGER


class Recorder:
    """Records the builds reported as changed, and how often all builds were."""

    def __init__(self) -> None:
        self.builds: list[uuid.UUID] = []
        self.polls = 0
        self._called = asyncio.Event()

    def changed(self, builds: Iterable[uuid.UUID] | None) -> None:
        if builds is None:
            self.polls += 1
        else:
            self.builds += builds
        self._called.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                await self._called.wait()
                self._called.clear()


@pytest.fixture
def database(stoppable_postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with builds in it, and the trigger of the migration."""
    monkeypatch.setattr(pg_notify, "POLL_ANYWAY_SECONDS", 600.0)
    with stoppable_postgres.fresh_database() as url:
        with psycopg.connect(url) as connection:
            connection.execute(
                "CREATE TABLE builds_build (id uuid PRIMARY KEY, revision bigint, log_seq bigint)"
            )
            connection.execute(CREATE_TRIGGER)
        handler: Any = ConnectionHandler({"default": dict(dj_database_url.parse(url))})
        monkeypatch.setattr(pg_notify, "connection", handler["default"])
        yield url


def listening(work: Callable[[Recorder], Coroutine[Any, Any, None]]) -> None:
    """Run a test while a web process listens."""

    async def run() -> None:
        recorder = Recorder()
        forwarding = asyncio.create_task(pg_notify.forward_changes(recorder.changed))
        try:
            await recorder.until(lambda: recorder.polls > 0)  # it is listening
            await work(recorder)
        finally:
            forwarding.cancel()

    asyncio.run(run())


def new_build(url: str) -> uuid.UUID:
    build = uuid.uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO builds_build VALUES (%s, 0, 0)", [build])
    return build


def change(url: str, *builds: uuid.UUID) -> None:
    """Change the revision of these builds in one transaction."""
    with psycopg.connect(url) as connection:
        for build in builds:
            connection.execute("UPDATE builds_build SET revision = revision + 1 WHERE id = %s", [build])


def test_a_changed_build_is_reported_once_for_each_transaction(database: str) -> None:
    first, second = new_build(database), new_build(database)

    async def work(recorder: Recorder) -> None:
        await asyncio.to_thread(change, database, first, first, first)
        await asyncio.to_thread(change, database, second)
        await recorder.until(lambda: second in recorder.builds)
        assert recorder.builds == [first, second]

    listening(work)


def test_a_rollback_and_a_write_without_a_new_revision_are_not_reported(database: str) -> None:
    first, second = new_build(database), new_build(database)

    def change_nothing() -> None:
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE builds_build SET revision = revision + 1 WHERE id = %s", [first])
            connection.rollback()
            connection.execute(
                "UPDATE builds_build SET log_seq = 7, revision = revision WHERE id = %s", [first]
            )

    async def work(recorder: Recorder) -> None:
        await asyncio.to_thread(change_nothing)
        await asyncio.to_thread(change, database, second)
        await recorder.until(lambda: second in recorder.builds)
        assert recorder.builds == [second]

    listening(work)


def test_while_the_database_is_away_builds_are_polled_and_then_reported_again(
    database: str, stoppable_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pg_notify, "RETRY_SECONDS", 0.2)
    build = new_build(database)

    async def work(recorder: Recorder) -> None:
        outage = stoppable_postgres.outage(crash=True)
        await asyncio.to_thread(outage.__enter__)
        before = recorder.polls
        await recorder.until(lambda: recorder.polls > before + 3)
        await asyncio.to_thread(outage.__exit__, None, None, None)
        while build not in recorder.builds:
            polls = recorder.polls
            await asyncio.to_thread(change, database, build)
            # Either it is reported, or all builds were polled once more.
            await recorder.until(lambda polls=polls: build in recorder.builds or recorder.polls > polls)  # type: ignore[misc]

    listening(work)
