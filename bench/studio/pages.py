"""Measure how soon pages load: `python -m bench.studio.pages [--sizes 10,100000] [--databases sqlite] [--quick]`.

The server's time and queries for each page at each size, and in Chromium the time to a list that can be used,
the round trip of its filter, and the bytes of a first visit. `--folder` keeps the data for the next run.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from bench.load.bench_studio import DATABASES, BenchStudio
from bench.load.pages import PAGES as MANY_ROWS
from bench.load.pages import got
from tests.services.parts import program
from tests.services.servers.chromium import launch_options

TIMES = 20
ENVIRONMENT = "/w/lab/environments/model-000001/"
VERSION = f"{ENVIRONMENT}versions/1/"
PAGES = MANY_ROWS | {
    "catalogue": "/w/lab/environments/?tab=curated",
    "environment, context": f"{ENVIRONMENT}?tab=context",
    "environment, activity": f"{ENVIRONMENT}?tab=activity",
    "an older version": VERSION,
    "edit": f"{VERSION}edit/",
    "new environment": "/w/lab/new/",
    "compare": "/w/lab/compare/?a=lab/model-000001:1&b=lab/model-000002:1",
    "settings, members": "/w/lab/settings/?tab=members",
    "settings, limits": "/w/lab/settings/?tab=limits",
    "access tokens": "/account/tokens/",
}
USABLE = "document.querySelector('#environments tbody tr a.name') && document.readyState === 'complete'"


def main() -> None:
    """Measure, and print a table for each database."""
    options = argparse.ArgumentParser(prog="python -m bench.studio.pages", description=__doc__)
    options.add_argument("--sizes", default="10,100000", help="environments, in rising order")
    options.add_argument("--versions", type=int, default=10, help="of each environment")
    options.add_argument("--databases", default=",".join(DATABASES))
    options.add_argument("--folder", type=Path, help="keeps the data for the next run")
    options.add_argument("--quick", action="store_true", help="small sizes: to see that it works")
    args = options.parse_args()
    sizes = [10, 2_000] if args.quick else [int(size) for size in args.sizes.split(",")]
    with tempfile.TemporaryDirectory(prefix="bench-pages-", ignore_cleanup_errors=True) as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for database in args.databases.split(","):
            with BenchStudio(folder, database).running() as studio:
                for size in sizes:
                    studio.tell("data", size, args.versions)
                    print(f"\n{database}, {size:,} environments", flush=True)
                    asyncio.run(on_the_server(studio))
                    in_the_browser(studio)


async def on_the_server(studio: BenchStudio) -> None:
    """Print the time and the queries of each page."""
    paths = {name: path.format(few=1) for name, path in PAGES.items()}
    queries = studio.tell("queries", *paths.values())
    cookies = {"studio_session": studio.tell("people")[0]}
    async with httpx.AsyncClient(
        base_url=studio.url, trust_env=False, timeout=120, cookies=cookies
    ) as client:
        for name, path in paths.items():
            await got(client, path)
            took = sorted([await got(client, path) for _ in range(TIMES)])
            p50, p95 = took[len(took) // 2], took[int(len(took) * 0.95)]
            say(name, f"p50 {p50 * 1000:4.0f} ms, p95 {p95 * 1000:4.0f} ms, {queries[path]:3} queries")


def in_the_browser(studio: BenchStudio) -> None:
    """Print how soon a list can be used in Chromium, how long its filter takes, and what a first visit brings."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options(program("chromium")))
        session = studio.tell("people")[0]
        first = [first_visit(browser, studio.url, session) for _ in range(5)]
        say("first visit of the list", f"usable after {median(item[0] for item in first) * 1000:.0f} ms")
        say("bytes of a first visit", f"{first[0][1] / 1000:.0f} kB in {first[0][2]} answers")
        page = page_of(browser, studio.url, session)
        page.goto(f"{studio.url}/w/lab/environments/")
        say("list, everything cached", f"usable after {times(lambda: again(page))}")
        say("filter, typed to drawn", times(lambda: filtered(page)))
        browser.close()


def page_of(browser: Browser, url: str, session: str) -> Page:
    """Return a page of somebody who is signed in, with nothing in its cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": "studio_session", "value": session, "url": url}])
    return context.new_page()


def first_visit(browser: Browser, url: str, session: str) -> tuple[float, int, int]:
    """Return the seconds until a list can be used that was never seen, the bytes on the wire, and the answers."""
    page = page_of(browser, url, session)
    wire = page.context.new_cdp_session(page)
    sizes: list[int] = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    wire.send("Network.enable")
    page.goto(f"{url}/w/lab/environments/")
    page.wait_for_function(USABLE)
    seconds = since_navigation(page)
    page.wait_for_load_state("networkidle")
    page.context.close()
    return seconds, sum(sizes), len(sizes)


def since_navigation(page: Page) -> float:
    """Return the seconds since navigation started, by the browser's clock."""
    entry = "performance.getEntriesByType('navigation')[0]"
    loaded = page.evaluate(f"{entry}.loadEventEnd || {entry}.domComplete")
    return float(loaded) / 1000


def again(page: Page) -> float:
    """Return how long the list took with styles and scripts in the cache."""
    page.goto(page.url)
    page.wait_for_function(USABLE)
    return since_navigation(page)


def filtered(page: Page) -> float:
    """Return the seconds from a key press to the redrawn list, including the debounce."""
    return float(
        page.evaluate(
            """() => new Promise((done) => {
              const field = document.getElementById("filter");
              const began = performance.now();
              document.body.addEventListener("htmx:afterSettle", () => done((performance.now() - began) / 1000), {once: true});
              field.value = field.value === "model-00000" ? "model-000001" : "model-00000";
              field.dispatchEvent(new Event("input", {bubbles: true}));
            })"""
        )
    )


def times(measure: Callable[[], float]) -> str:
    """Return the median and the longest of a few times."""
    took = sorted(measure() for _ in range(TIMES))
    return f"p50 {took[len(took) // 2] * 1000:.0f} ms, p95 {took[int(len(took) * 0.95)] * 1000:.0f} ms"


def say(name: str, arguments: str) -> None:
    """Print one line of the table."""
    print(f"  {name:34} {arguments}", flush=True)


if __name__ == "__main__":
    main()
