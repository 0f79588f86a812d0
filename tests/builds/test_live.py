"""The one who looks for all viewers of a process: when it looks, whom it wakes, and what it survives."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from builds import live
from builds.live import Moved, Watchtower

SECONDS = 10.0
ONE, TWO = uuid.uuid4(), uuid.uuid4()


class Builds:
    """Builds with a number that moves, and the bell that tells of it."""

    def __init__(self) -> None:
        self.numbers = {ONE: 1, TWO: 1}
        self.looks: list[set[uuid.UUID]] = []
        self.away = False
        self.moved: Moved | None = None
        self.rings = 0
        self.tower: Watchtower[int] = Watchtower(self.look, self.bell)

    async def look(self, known: dict[uuid.UUID, int | None]) -> dict[uuid.UUID, int | None]:
        if known:
            self.looks.append(set(known))
        if known and self.away:
            raise ConnectionError("the database is away")
        return {build: self.numbers.get(build) for build in known}

    async def bell(self, moved: Moved) -> None:
        self.rings += 1
        self.moved = moved
        await asyncio.Event().wait()

    def move(self, build: uuid.UUID) -> None:
        self.numbers[build] += 1
        self.ring(build)

    def ring(self, *builds: uuid.UUID) -> None:
        assert self.moved
        self.moved(builds or None)


def run(work: Callable[[Builds], Coroutine[Any, Any, None]]) -> None:
    async def within_time() -> None:
        async with asyncio.timeout(SECONDS):
            await work(Builds())

    asyncio.run(within_time())


def test_a_change_wakes_those_who_watch_the_build_and_nobody_else() -> None:
    async def work(builds: Builds) -> None:
        async with builds.tower.watching(ONE) as one, builds.tower.watching(TWO) as two:
            assert await one.changed(SECONDS)
            assert await two.changed(SECONDS)
            builds.move(ONE)
            assert await one.changed(SECONDS)
            assert one.sight == 2
            assert not await two.changed(0.01)

    run(work)


def test_who_comes_later_sees_at_once_what_was_seen_last() -> None:
    async def work(builds: Builds) -> None:
        async with builds.tower.watching(ONE) as first:
            await first.changed(SECONDS)
            async with builds.tower.watching(ONE) as second:
                assert second.sight == 1
                assert await second.changed(SECONDS)
                assert builds.tower.viewers == 2
            assert builds.looks == [{ONE}]

    run(work)


def test_a_build_that_nobody_watches_is_not_looked_at() -> None:
    async def work(builds: Builds) -> None:
        async with builds.tower.watching(ONE) as one:
            await one.changed(SECONDS)
            builds.ring(TWO)
            builds.ring()
            builds.move(ONE)
            await one.changed(SECONDS)
            assert all(look == {ONE} for look in builds.looks)

    run(work)


def test_while_the_database_is_away_viewers_wait_and_then_see_everything(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "AFTER_ERROR_SECONDS", 0.01)

    async def work(builds: Builds) -> None:
        async with builds.tower.watching(ONE) as watch:
            await watch.changed(SECONDS)
            builds.away = True
            builds.move(ONE)
            while len(builds.looks) < 4:  # it tries again and again
                assert not await watch.changed(0.01)
            builds.away = False
            assert await watch.changed(SECONDS)
            assert watch.sight == 2

    run(work)
    assert "cannot be looked at" in caplog.text


def test_a_bell_that_breaks_is_hung_up_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "AFTER_ERROR_SECONDS", 0.01)

    async def work(builds: Builds) -> None:
        whole = builds.bell

        async def broken_once(moved: Moved) -> None:
            if not builds.rings:
                builds.rings += 1
                raise RuntimeError("a bug in the bell")
            await whole(moved)

        builds.tower = Watchtower(builds.look, broken_once)
        async with builds.tower.watching(ONE) as watch:
            await watch.changed(SECONDS)
            while builds.moved is None:
                await asyncio.sleep(0)
            builds.move(ONE)
            assert await watch.changed(SECONDS)
            assert watch.sight == 2

    run(work)
    assert "a bug in the bell" in caplog.text


def test_a_build_that_is_deleted_is_told_of() -> None:
    async def work(builds: Builds) -> None:
        async with builds.tower.watching(ONE) as watch:
            await watch.changed(SECONDS)
            del builds.numbers[ONE]
            builds.ring(ONE)
            assert await watch.changed(SECONDS)
            assert watch.gone

    run(work)


def test_closing_wakes_everybody_and_who_comes_afterwards_may_go_at_once() -> None:
    async def work(builds: Builds) -> None:
        async with builds.tower.watching(ONE) as watch:
            await watch.changed(SECONDS)
            builds.tower.close()
            assert await watch.changed(SECONDS)
            assert watch.closed
            async with builds.tower.watching(TWO) as late:
                assert await late.changed(SECONDS)
                assert late.closed

    run(work)


def test_with_the_last_viewer_the_looking_ends_and_begins_again_with_the_next() -> None:
    async def work(builds: Builds) -> None:
        for _ in range(2):
            async with builds.tower.watching(ONE) as watch:
                assert await watch.changed(SECONDS)
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)
            assert not builds.tower.watched
        assert builds.rings == 2

    run(work)
