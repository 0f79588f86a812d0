"""Pages are answered in threads that stay, with their database connections, and few of them do."""

import asyncio
import threading

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.core.signals import request_finished

from studio import asgi
from studio.asgi import PageThreads
from studio.operations import requests
from tests.services.processes import wait_until


async def answer(pages: PageThreads, together: asyncio.Barrier) -> threading.Thread:
    async with pages.thread():
        await together.wait()
        return await sync_to_async(threading.current_thread)()


async def rush(pages: PageThreads, at_once: int) -> set[threading.Thread]:
    together = asyncio.Barrier(at_once)
    return set(await asyncio.gather(*(answer(pages, together) for _ in range(at_once))))


def left_alive(threads: set[threading.Thread], expected: int) -> int:
    def count() -> int:
        return sum(thread.is_alive() for thread in threads)

    wait_until(lambda: count() == expected, 10, lambda: f"{count()} threads are alive")
    return count()


def test_pages_at_once_have_a_thread_each_and_few_of_them_stay() -> None:
    pages = PageThreads(kept=2)

    async def rushes() -> list[set[threading.Thread]]:
        return [await rush(pages, at_once) for at_once in (5, 1, 1)]

    fifth, first, second = asyncio.run(rushes())
    assert len(fifth) == 5
    assert first == second
    assert first < fifth
    assert left_alive(fifth, 2) == 2
    pages.close()
    assert left_alive(fifth, 0) == 0


@pytest.mark.django_db(transaction=True)
def test_a_page_is_answered_in_one_thread_from_its_first_middleware_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[threading.Thread] = []

    def note(*_: object, **__: object) -> str:
        seen.append(threading.current_thread())
        return "1" * 8

    pages = asgi.PageThreads(kept=1)
    monkeypatch.setattr(asgi, "threads", pages)
    monkeypatch.setattr(requests, "request_id", note)
    request_finished.connect(note)

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(asgi.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [(await client.get("/login/")).status_code for _ in range(2)]

    try:
        assert asyncio.run(ask()) == [200, 200]
    finally:
        request_finished.disconnect(note)
        pages.close()
    assert len(seen) == 4
    assert len(set(seen)) == 1
    assert seen[0].name.startswith("page")
