"""Pages of a studio with very many environments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from bench.load.bench_studio import BenchStudio

TIMES = 40
AT_ONCE = 4
FEW = 30
ENVIRONMENT = "/w/lab/environments/model-{few:06d}/"
PAGES = {
    "list, newest first": "/w/lab/environments/",
    "list, by name": "/w/lab/environments/?sort=name",
    "list, by packages": "/w/lab/environments/?sort=-packages",
    "list, its last page": "/w/lab/environments/?page=100000",
    "list, archived too": "/w/lab/environments/?archived=1",
    "search, a word of every text": "/w/lab/environments/?q=numpy",
    "search, a part of few names": "/w/lab/environments/?q=odel-00000",
    "search, two words": "/w/lab/environments/?q=scikit+team",
    "search, what is nowhere": "/w/lab/environments/?q=zqxj",
    "environment": ENVIRONMENT,
    "environment, versions": ENVIRONMENT + "?tab=versions",
    "environment, builds": ENVIRONMENT + "?tab=builds",
    "builds": "/w/lab/builds/",
    "builds, failed": "/w/lab/builds/?state=failed",
    "builds, by environment": "/w/lab/builds/?q=model-00000",
    "builds, requested by me": "/w/lab/builds/?by=me",
    "builds, charts of 30 days": "/w/lab/builds/figures/",
    "builds, charts of a year": "/w/lab/builds/figures/?period=year",
    "images": "/w/lab/images/",
    "images, largest first": "/w/lab/images/?sort=-size",
    "images, by environment": "/w/lab/images/?q=model-00000",
    "images, clean-up": "/w/lab/images/clean-up/",
    "activity": "/w/lab/activity/",
}


@dataclass(frozen=True)
class Page:
    """Time and queries of a page."""

    name: str
    p50: float
    p95: float
    per_second: float
    queries_few: int
    queries: int


async def page_times(studio: BenchStudio, environments: int, versions: int) -> AsyncIterator[Page]:
    """Yield each page's times with so many environments, and its queries there and with ten rows."""
    there = studio.tell("data", FEW, versions)["environments"]
    paths = [path.format(few=1) for path in PAGES.values()]
    few = studio.tell("queries", *paths) if there == FEW else None
    studio.tell("data", environments, versions)
    many = studio.tell("queries", *paths)
    cookies = {"studio_session": studio.tell("people")[0]}
    async with httpx.AsyncClient(
        base_url=studio.url, trust_env=False, timeout=120, cookies=cookies
    ) as client:
        for name, path in zip(PAGES, paths, strict=True):
            await got(client, path)
            # A list that fits on a page is not counted: one query less.
            assert few is None or many[path] <= few[path] + 1, f"{name} takes more queries with more rows"
            took = sorted([await got(client, path) for _ in range(TIMES)])
            per_second = await rate(client, path)
            page = Page(
                name=name,
                p50=took[len(took) // 2],
                p95=took[int(len(took) * 0.95)],
                per_second=per_second,
                queries_few=few[path] if few else many[path],
                queries=many[path],
            )
            yield page


async def got(client: httpx.AsyncClient, path: str) -> float:
    """Return how long a page took."""
    began = time.perf_counter()
    answer = await client.get(path)
    assert answer.status_code == 200, f"{path} answered {answer.status_code}"
    return time.perf_counter() - began


async def rate(client: httpx.AsyncClient, path: str) -> float:
    """Return a page's responses per second under concurrent requests."""
    each = TIMES // AT_ONCE

    async def ask() -> None:
        for _ in range(each):
            await got(client, path)

    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    return each * AT_ONCE / (time.perf_counter() - began)
