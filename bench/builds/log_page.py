"""Measure how soon a long log can be read in a browser: `python -m bench.builds.log_page [--lines 100000] [--times 5]`.

A real studio, Debian's Chromium, and a build that has ended. Measured from the request for the page to what the reader sees.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench.load.bench_studio import BenchStudio
from tests.services.servers.chromium import launch_options
from tests.services.studio import ROOT

SECONDS = 120
LIMIT = 4.0
FOLDING_LIMIT = 200.0  # milliseconds


@dataclass(frozen=True)
class Seen:
    """Seconds until the last line was in sight, until a search was answered; milliseconds that folding took."""

    last_line: float
    searched: float
    folding: float
    unfolding: float
    lines_held: int
    kilobytes: float


def main() -> None:
    """Print the times; end with an error where the last lines come too late."""
    options = argparse.ArgumentParser(prog="python -m bench.builds.log_page", description=__doc__)
    options.add_argument("--lines", type=int, default=100_000)
    options.add_argument("--times", type=int, default=5)
    args = options.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    if chromium is None:
        raise SystemExit("There is no Chromium: apt-get install chromium, or run `make test` as root once.")
    with tempfile.TemporaryDirectory(prefix="bench-log-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options(Path(chromium)))
        with BenchStudio(Path(folder), "sqlite").running() as studio:
            session = studio.tell("people")[0]
            build = studio.tell("build")
            studio.tell("fill", build, args.lines)
            address = f"{studio.url}/w/lab/builds/{build}/"
            opened(browser, session, address, args.lines)  # the first visit loads what the web process needs
            seen = [opened(browser, session, address, args.lines) for _ in range(args.times)]
        browser.close()
    print(f"A log of {args.lines:,} lines, {args.times} times, in seconds from the request: middle (slowest)")
    for name in ("last_line", "searched"):
        print(f"  {name.replace('_', ' '):12} {middle(seen, name):5.2f} ({slowest(seen, name):.2f})")
    for name in ("folding", "unfolding"):
        print(
            f"  {name:12} {middle(seen, name):5.0f} ({slowest(seen, name):.0f}) ms, {seen[0].lines_held:,} lines in the page"
        )
    print(f"  page         {seen[0].kilobytes:,.0f} kB")
    if middle(seen, "last_line") > LIMIT:
        raise SystemExit(
            f"The last lines came after {middle(seen, 'last_line'):.2f} s: the limit is {LIMIT:g} s."
        )
    if middle(seen, "folding") > FOLDING_LIMIT:
        raise SystemExit(f"Folding took {middle(seen, 'folding'):.0f} ms: the limit is {FOLDING_LIMIT:g} ms.")


def middle(seen: list[Seen], name: str) -> float:
    """Return the median of a figure."""
    return float(sorted(getattr(item, name) for item in seen)[len(seen) // 2])


def slowest(seen: list[Seen], name: str) -> float:
    """Return the worst of a figure."""
    return float(max(getattr(item, name) for item in seen))


def opened(browser: Browser, session: str, address: str, lines: int) -> Seen:
    """Open the page with an empty cache, and wait for the last line, an earlier line and a search result."""
    # Waiting for something takes a script of Playwright's own.
    context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    context.set_default_timeout(SECONDS * 1000)
    context.add_cookies([{"name": "studio_session", "value": session, "url": address}])
    page = context.new_page()
    began = time.perf_counter()
    answer = page.goto(address, wait_until="commit")
    assert answer is not None
    in_sight(page, lines)
    last_line = time.perf_counter() - began
    page.locator("#words").fill(f"package-{lines // 2:06d} ")
    page.locator("#words").press("Enter")
    in_sight(page, lines // 2 + 1)
    result = time.perf_counter() - began
    folded = page.locator(".log-group:not([open]) > summary")
    while folded.count():
        folded.first.click()
    page.wait_for_load_state("networkidle")
    held = page.locator("#log .l").count()
    folding, unfolding = page.evaluate(FOLD), page.evaluate(FOLD)
    kilobytes = len(answer.body()) / 1000
    context.close()
    return Seen(last_line, result, folding, unfolding, held, kilobytes)


# Folding all, or unfolding all, with the layout that follows.
FOLD = """() => {
  const began = performance.now();
  document.getElementById("fold").click();
  document.getElementById("log").scrollHeight;
  return performance.now() - began;
}"""


IN_SIGHT = """number => {
  const line = document.getElementById(`L${number}`);
  if (!line) return false;
  const [at, log] = [line, document.getElementById("log")].map((one) => one.getBoundingClientRect());
  return at.top >= log.top && at.bottom <= log.bottom + 1;
}"""


def in_sight(page: Page, number: int) -> None:
    """Wait until a line is in the part of the log that is shown."""
    page.wait_for_function(IN_SIGHT, arg=number)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
