"""How soon a long log can be read in a browser: `python -m bench.log_page [--lines 100000] [--times 5]`.

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

from bench.load.place import Place
from tests.services.chromium import launch_options
from tests.services.studio import ROOT

SECONDS = 120
LIMIT = 2.0


@dataclass(frozen=True)
class Seen:
    """Seconds until the last line was in sight, until the log had been scrolled, until a word was found in it."""

    last_line: float
    scrolled: float
    found: float
    kilobytes: float


def main() -> None:
    """Print the times; end with an error where the last lines come too late."""
    options = argparse.ArgumentParser(prog="python -m bench.log_page", description=__doc__)
    options.add_argument("--lines", type=int, default=100_000)
    options.add_argument("--times", type=int, default=5)
    asked = options.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("There is no Chromium: apt-get install chromium, or run `make test` as root once.")
    with tempfile.TemporaryDirectory(prefix="bench-log-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options(Path(chromium)))
        with Place(Path(folder), "sqlite").running() as place:
            session = place.tell("people")[0]
            build = place.tell("build")
            place.tell("fill", build, asked.lines)
            address = f"{place.url}/w/lab/builds/{build}/"
            opened(browser, session, address, asked.lines)  # the first one loads what the web process needs
            seen = [opened(browser, session, address, asked.lines) for _ in range(asked.times)]
        browser.close()
    print(
        f"A log of {asked.lines:,} lines, {asked.times} times, in seconds from the request: middle (slowest)"
    )
    for name in ("last_line", "scrolled", "found"):
        took = sorted(getattr(one, name) for one in seen)
        print(f"  {name.replace('_', ' '):12} {took[len(took) // 2]:5.2f} ({took[-1]:.2f})")
    print(f"  page         {seen[0].kilobytes:,.0f} kB")
    middle = sorted(one.last_line for one in seen)[len(seen) // 2]
    if middle > LIMIT:
        raise SystemExit(f"The last lines came after {middle:.2f} s: it may take {LIMIT:g} s.")


def opened(browser: Browser, session: str, address: str, lines: int) -> Seen:
    """Open the page as somebody who has never been there, and look for the last line, an earlier one and a word."""
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
    page.locator("#log").hover()  # brings it into sight, below what the page says of the build
    page.mouse.wheel(0, -4000)
    page.wait_for_function(
        "log => log.scrollHeight - log.scrollTop - log.clientHeight > 3000",
        arg=page.locator("#log").element_handle(),
    )
    scrolled = time.perf_counter() - began
    page.locator("#words").fill(f"package-{lines // 2:06d} ")
    page.locator("#words").press("Enter")
    in_sight(page, lines // 2 + 1)
    found = time.perf_counter() - began
    kilobytes = len(answer.body()) / 1000
    context.close()
    return Seen(last_line, scrolled, found, kilobytes)


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
