"""Pages learn of everything that changed while PostgreSQL was away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import dj_database_url
import psycopg
import pytest
from django.db.utils import ConnectionHandler

from builds.live import pg_notify, topic_changes
from builds.live.triggers import CHANNEL
from tests.services.servers.postgres import Postgres

SECONDS = 30


@pytest.fixture
def database(stoppable_postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with stoppable_postgres.fresh_database() as url:
        handler: Any = ConnectionHandler({"default": dict(dj_database_url.parse(url))})
        handler["default"].inc_thread_sharing()  # the source's thread closes it
        monkeypatch.setattr(pg_notify, "connection", handler["default"])
        monkeypatch.setattr(topic_changes, "connection", handler["default"])
        monkeypatch.setattr(topic_changes, "RETRY_SECONDS", 0.2)
        yield url


def test_where_a_pooler_swallows_notifications_pages_refresh_now_and_then(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_changes, "SWALLOWED_SECONDS", 0.3)
    monkeypatch.setattr(topic_changes, "_probe", lambda: None)  # sent, and swallowed
    reports: list[object] = []

    async def work() -> None:
        forwarding = asyncio.create_task(topic_changes.forward_topics(reports.append))
        async with asyncio.timeout(SECONDS):
            while len(reports) < 4:
                await asyncio.sleep(0.05)
        forwarding.cancel()

    asyncio.run(work())
    assert reports == [None] * 4


def test_after_an_outage_all_pages_refresh_and_changes_are_reported_again(
    database: str, stoppable_postgres: Postgres
) -> None:
    reports: list[list[str] | None] = []
    came = asyncio.Event()

    def report(keys: Iterable[str] | None) -> None:
        reports.append(None if keys is None else list(keys))
        came.set()

    def change(key: str) -> None:
        with psycopg.connect(database) as connection:
            connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, key])

    async def until(count: int) -> None:
        while len(reports) < count:
            came.clear()
            await came.wait()

    async def work() -> None:
        forwarding = asyncio.create_task(topic_changes.forward_topics(report))
        async with asyncio.timeout(SECONDS):
            await until(1)
            await asyncio.to_thread(change, "w1 builds")
            await until(2)
            outage = stoppable_postgres.outage(crash=True)
            await asyncio.to_thread(outage.__enter__)
            await asyncio.sleep(0.5)
            assert len(reports) == 2  # pages cannot be read meanwhile: nobody is to try
            await asyncio.to_thread(outage.__exit__, None, None, None)
            await until(3)
            await asyncio.to_thread(change, "u7 notices")
            await until(4)
        forwarding.cancel()

    asyncio.run(work())
    assert reports == [None, ["w1 builds"], None, ["u7 notices"]]
