"""The board of topics: which pages it wakes, what a page that comes back has missed, and what it survives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from builds.live import hub, topics
from builds.live.topics import Board, Report

SECONDS = 10.0
LAB = {"w1 builds": "builds", "w1 images": "images", "u1 notices": "notices"}
OTHER = {"w2 builds": "builds"}


class Source:
    """A source whose changes the test makes."""

    def __init__(self) -> None:
        self.report: Report | None = None
        self.starts = 0
        self.fails = False
        self.board = Board(self.run)

    async def run(self, report: Report) -> None:
        self.starts += 1
        if self.fails:
            self.fails = False
            raise ConnectionError("the database is away")
        self.report = report
        report(None)
        await asyncio.Event().wait()

    def change(self, *keys: str) -> None:
        assert self.report
        self.report(keys)

    async def started(self) -> None:
        while self.report is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(topics.GATHER_SECONDS * 2)


def run(work: Callable[[Source], Coroutine[Any, Any, None]]) -> None:
    async def within_time() -> None:
        async with asyncio.timeout(SECONDS):
            await work(Source())

    asyncio.run(within_time())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "GATHER_SECONDS", 0.02)
    monkeypatch.setattr(hub, "AFTER_ERROR_SECONDS", 0.02)


def test_a_change_wakes_the_pages_of_its_workspace_and_no_others() -> None:
    async def work(source: Source) -> None:
        board = source.board
        async with board.subscribe(LAB) as lab, board.subscribe(OTHER) as other:
            await source.started()
            await lab.changed(1), await other.changed(1)
            before = board.position
            source.change("w1 builds")
            assert await lab.changed(SECONDS)
            assert not await other.changed(0.1)
            assert board.topics_since(LAB, before) == ["builds"]
            assert board.topics_since(OTHER, before) == []

    run(work)


def test_changes_that_follow_each_other_wake_a_page_once() -> None:
    async def work(source: Source) -> None:
        async with source.board.subscribe(LAB) as lab:
            await source.started()
            await lab.changed(1)
            before = source.board.position
            for _ in range(50):
                source.change("w1 builds")
                source.change("u1 notices")
            assert await lab.changed(SECONDS)
            assert not await lab.changed(0.1)
            assert source.board.topics_since(LAB, before) == ["builds", "notices"]

    run(work)


@pytest.mark.parametrize(
    "position", ["", "x", ".", "other.1", "{run}.", "{run}.-1", "{run}.9e9", "{run}." + "9" * 99, "{run}.²"]
)
def test_a_page_with_an_unknown_position_is_to_refresh_everything(position: str) -> None:
    async def work(source: Source) -> None:
        async with source.board.subscribe(LAB):
            await source.started()
            run = source.board.position.partition(".")[0]
            assert source.board.topics_since(LAB, position.replace("{run}", run)) == [
                "builds",
                "images",
                "notices",
            ]

    run(work)


def test_after_the_source_has_failed_every_page_refreshes() -> None:
    async def work(source: Source) -> None:
        source.fails = True
        async with source.board.subscribe(LAB):
            before = source.board.position
            await source.started()
            assert source.starts == 2
            assert source.board.topics_since(LAB, before) == ["builds", "images", "notices"]

    run(work)


def test_the_source_outlives_the_last_page_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(source: Source) -> None:
        monkeypatch.setattr(topics, "LINGER_SECONDS", 0.2)
        board = source.board
        async with board.subscribe(LAB):
            await source.started()
        before = board.position
        source.change("w1 images")
        assert board.topics_since(LAB, before) == ["images"]  # the next page of the same reader
        await asyncio.sleep(0.4)
        assert board.position == ""
        assert board.page_count == 0
        async with board.subscribe(LAB):
            await asyncio.sleep(0.05)
            assert source.starts == 2
            assert board.topics_since(LAB, before) == ["builds", "images", "notices"]

    run(work)


def test_closing_ends_every_subscription_also_later_ones() -> None:
    async def work(source: Source) -> None:
        board = source.board
        async with board.subscribe(LAB) as lab:
            await source.started()
            await lab.changed(1)
            board.close()
            assert await lab.changed(SECONDS)
            assert lab.closed
        async with board.subscribe(LAB) as late:
            assert await late.changed(SECONDS)
            assert late.closed

    run(work)


def test_other_rights_give_a_page_other_keys() -> None:
    async def work(source: Source) -> None:
        board = source.board
        async with board.subscribe(LAB) as page:
            await source.started()
            await page.changed(1)
            board.change_keys(page, OTHER)
            source.change("w1 builds")
            assert not await page.changed(0.1)
            source.change("w2 builds")
            assert await page.changed(SECONDS)

    run(work)


def test_a_page_that_comes_while_the_source_ends_gets_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "LINGER_SECONDS", 0)

    async def work(source: Source) -> None:
        ending, may_end = asyncio.Event(), asyncio.Event()

        async def slow_to_end(report: Report) -> None:
            try:
                await source.run(report)
            finally:
                ending.set()
                await may_end.wait()

        board = Board(slow_to_end)
        async with board.subscribe(LAB):
            await source.started()
        await ending.wait()
        async with board.subscribe(LAB) as next_page:
            assert await next_page.changed(SECONDS / 2)
            may_end.set()
            before = board.position
            source.change("w1 builds")
            assert await next_page.changed(SECONDS / 2)
            assert board.topics_since(LAB, before) == ["builds"]

    run(work)
