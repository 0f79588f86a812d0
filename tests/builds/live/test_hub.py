"""The hub: when it loads snapshots, which subscribers it wakes, and what it survives."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from builds.live import hub
from builds.live.hub import ChangeCallback, Hub

SECONDS = 10.0
FIRST, SECOND = uuid.uuid4(), uuid.uuid4()


class Builds:
    """Builds whose number changes, and a source that reports it."""

    def __init__(self) -> None:
        self.numbers = {FIRST: 1, SECOND: 1}
        self.loads: list[set[uuid.UUID]] = []
        self.away = False
        self.changed: ChangeCallback | None = None
        self.source_starts = 0
        self.hub: Hub[int] = Hub(self.load, self.source)

    async def load(self, known: dict[uuid.UUID, int | None]) -> dict[uuid.UUID, int | None]:
        if known:
            self.loads.append(set(known))
        if known and self.away:
            raise ConnectionError("the database is away")
        return {build: self.numbers.get(build) for build in known}

    async def source(self, changed: ChangeCallback) -> None:
        self.source_starts += 1
        self.changed = changed
        await asyncio.Event().wait()

    def change(self, build: uuid.UUID) -> None:
        self.numbers[build] += 1
        self.report(build)

    def report(self, *builds: uuid.UUID) -> None:
        assert self.changed
        self.changed(builds or None)


def run(work: Callable[[Builds], Coroutine[Any, Any, None]]) -> None:
    async def within_time() -> None:
        async with asyncio.timeout(SECONDS):
            await work(Builds())

    asyncio.run(within_time())


def test_a_change_wakes_only_the_subscribers_of_that_build() -> None:
    async def work(builds: Builds) -> None:
        async with builds.hub.subscribe(FIRST) as first, builds.hub.subscribe(SECOND) as second:
            assert await first.changed(SECONDS)
            assert await second.changed(SECONDS)
            builds.change(FIRST)
            assert await first.changed(SECONDS)
            assert first.snapshot == 2
            assert not await second.changed(0.01)

    run(work)


def test_a_later_subscriber_gets_the_last_snapshot_at_once() -> None:
    async def work(builds: Builds) -> None:
        async with builds.hub.subscribe(FIRST) as first:
            await first.changed(SECONDS)
            async with builds.hub.subscribe(FIRST) as second:
                assert second.snapshot == 1
                assert await second.changed(SECONDS)
                assert builds.hub.viewer_count == 2
            assert builds.loads == [{FIRST}]

    run(work)


def test_a_build_without_subscribers_is_not_loaded() -> None:
    async def work(builds: Builds) -> None:
        async with builds.hub.subscribe(FIRST) as viewer:
            await viewer.changed(SECONDS)
            builds.report(SECOND)
            builds.report()
            builds.change(FIRST)
            await viewer.changed(SECONDS)
            assert all(load == {FIRST} for load in builds.loads)

    run(work)


def test_while_the_database_is_away_subscribers_wait_and_then_see_everything(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hub, "AFTER_ERROR_SECONDS", 0.01)

    async def work(builds: Builds) -> None:
        async with builds.hub.subscribe(FIRST) as viewer:
            await viewer.changed(SECONDS)
            builds.away = True
            builds.change(FIRST)
            while len(builds.loads) < 4:  # it keeps retrying
                assert not await viewer.changed(0.01)
            builds.away = False
            assert await viewer.changed(SECONDS)
            assert viewer.snapshot == 2

    run(work)
    assert "Could not load the watched builds" in caplog.text


def test_a_source_that_fails_is_restarted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hub, "AFTER_ERROR_SECONDS", 0.01)

    async def work(builds: Builds) -> None:
        source = builds.source

        async def fails_once(changed: ChangeCallback) -> None:
            if not builds.source_starts:
                builds.source_starts += 1
                raise RuntimeError("a bug in the source")
            await source(changed)

        builds.hub = Hub(builds.load, fails_once)
        async with builds.hub.subscribe(FIRST) as viewer:
            await viewer.changed(SECONDS)
            while builds.changed is None:
                await asyncio.sleep(0)
            builds.change(FIRST)
            assert await viewer.changed(SECONDS)
            assert viewer.snapshot == 2

    run(work)
    assert "a bug in the source" in caplog.text


def test_subscribers_learn_that_a_build_was_deleted() -> None:
    async def work(builds: Builds) -> None:
        async with builds.hub.subscribe(FIRST) as viewer:
            await viewer.changed(SECONDS)
            del builds.numbers[FIRST]
            builds.report(FIRST)
            assert await viewer.changed(SECONDS)
            assert viewer.deleted

    run(work)


def test_closing_wakes_all_subscribers_also_later_ones() -> None:
    async def work(builds: Builds) -> None:
        async with builds.hub.subscribe(FIRST) as viewer:
            await viewer.changed(SECONDS)
            builds.hub.close()
            assert await viewer.changed(SECONDS)
            assert viewer.closed
            async with builds.hub.subscribe(SECOND) as late:
                assert await late.changed(SECONDS)
                assert late.closed

    run(work)


def test_the_task_ends_with_the_last_subscriber_and_restarts_with_the_next() -> None:
    async def work(builds: Builds) -> None:
        for _ in range(2):
            async with builds.hub.subscribe(FIRST) as viewer:
                assert await viewer.changed(SECONDS)
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)
            assert not builds.hub.build_ids
        assert builds.source_starts == 2

    run(work)


def test_a_subscriber_that_comes_while_the_task_ends_gets_a_snapshot() -> None:
    """A page that is reloaded by its only viewer: its last stream ends as the next begins."""

    async def work(builds: Builds) -> None:
        ending, may_end = asyncio.Event(), asyncio.Event()

        async def load(known: dict[uuid.UUID, int | None]) -> dict[uuid.UUID, int | None]:
            if not known:
                ending.set()
                await may_end.wait()
            return await builds.load(known)

        builds.hub = Hub(load, builds.source)
        async with builds.hub.subscribe(FIRST) as viewer:
            assert await viewer.changed(SECONDS)
        await ending.wait()
        async with builds.hub.subscribe(FIRST) as next_viewer:
            assert await next_viewer.changed(SECONDS / 2)
            may_end.set()
            builds.change(FIRST)
            assert await next_viewer.changed(SECONDS / 2)
            assert next_viewer.snapshot == 2

    run(work)
