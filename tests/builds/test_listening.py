"""PostgreSQL tells web processes of builds that move, whoever moved them; while it cannot, they look often."""

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

from builds import listening
from tests.services.postgres import Postgres

SECONDS = 30
TELL = import_module("builds.migrations.0004_notify_of_revisions").TELL


class Ear:
    """What a web process hears: the builds it was told of, and how often it was told to look at all."""

    def __init__(self) -> None:
        self.told: list[uuid.UUID] = []
        self.looks = 0
        self._heard = asyncio.Event()

    def moved(self, builds: Iterable[uuid.UUID] | None) -> None:
        if builds is None:
            self.looks += 1
        else:
            self.told += builds
        self._heard.set()

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not happened():
                await self._heard.wait()
                self._heard.clear()


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with builds in it, and the trigger of the migration."""
    monkeypatch.setattr(listening, "LOOK_ANYWAY_SECONDS", 600.0)
    with postgres.fresh_database() as url:
        with psycopg.connect(url) as connection:
            connection.execute(
                "CREATE TABLE builds_build (id uuid PRIMARY KEY, revision bigint, log_seq bigint)"
            )
            connection.execute(TELL)
        handler: Any = ConnectionHandler({"default": dict(dj_database_url.parse(url))})
        monkeypatch.setattr(listening, "connection", handler["default"])
        yield url


def hearing(work: Callable[[Ear], Coroutine[Any, Any, None]]) -> None:
    """Run a test beside a web process's listening."""

    async def run() -> None:
        ear = Ear()
        ringing = asyncio.create_task(listening.ring(ear.moved))
        try:
            await ear.until(lambda: ear.looks > 0)  # it listens now
            await work(ear)
        finally:
            ringing.cancel()

    asyncio.run(run())


def new_build(url: str) -> uuid.UUID:
    build = uuid.uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO builds_build VALUES (%s, 0, 0)", [build])
    return build


def move(url: str, *builds: uuid.UUID) -> None:
    """Move these builds in one transaction."""
    with psycopg.connect(url) as connection:
        for build in builds:
            connection.execute("UPDATE builds_build SET revision = revision + 1 WHERE id = %s", [build])


def test_a_build_that_moves_is_told_of_once_a_transaction(database: str) -> None:
    one, two = new_build(database), new_build(database)

    async def listen(ear: Ear) -> None:
        await asyncio.to_thread(move, database, one, one, one)
        await asyncio.to_thread(move, database, two)
        await ear.until(lambda: two in ear.told)
        assert ear.told == [one, two]

    hearing(listen)


def test_what_was_rolled_back_or_moved_nothing_is_not_told_of(database: str) -> None:
    one, two = new_build(database), new_build(database)

    def move_nothing() -> None:
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE builds_build SET revision = revision + 1 WHERE id = %s", [one])
            connection.rollback()
            connection.execute(
                "UPDATE builds_build SET log_seq = 7, revision = revision WHERE id = %s", [one]
            )

    async def listen(ear: Ear) -> None:
        await asyncio.to_thread(move_nothing)
        await asyncio.to_thread(move, database, two)
        await ear.until(lambda: two in ear.told)
        assert ear.told == [two]

    hearing(listen)


def test_while_the_database_is_away_builds_are_looked_at_often_and_then_it_tells_again(
    database: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "AGAIN_SECONDS", 0.2)
    build = new_build(database)

    async def listen(ear: Ear) -> None:
        outage = postgres.outage(crash=True)
        await asyncio.to_thread(outage.__enter__)
        before = ear.looks
        await ear.until(lambda: ear.looks > before + 3)
        await asyncio.to_thread(outage.__exit__, None, None, None)
        while build not in ear.told:
            looks = ear.looks
            await asyncio.to_thread(move, database, build)
            # Either it is told of, or another round of looking at all went by.
            await ear.until(lambda looks=looks: build in ear.told or ear.looks > looks)  # type: ignore[misc]

    hearing(listen)
