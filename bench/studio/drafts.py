"""Measure typing into a large definition, with and without its draft: `python -m bench.studio.drafts [--keys 60]`.

A real studio and Debian's Chromium. A keystroke takes from the key's event to the next frame; keeping a draft happens
between keystrokes, and its time is that of the whole script that keeps it. Ends with an error over the limits.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from bench.load.bench_studio import BenchStudio
from tests.services.servers.chromium import launch_options
from tests.services.studio import ROOT

SIZES = (10_000, 100_000, 1_000_000)
LINE = "package-name==1.2.3  # pinned\n"
SECONDS = 120
LIMIT_SIZE, LIMIT_KEEPING = 100_000, 16.0  # of a text of this size, milliseconds
LEAST_PAUSE = 500.0  # between two times that a draft is kept

# Times each keystroke until the next frame, and the scripts that run when the browser is idle: those that keep drafts.
MEASURE = """() => {
  window.measured = { keys: [], kept: [], at: [] };
  addEventListener("keydown", () => {
    const began = performance.now();
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => measured.keys.push(performance.now() - began);
      channel.port2.postMessage(null);
    });
  }, true);
  const plain = window.requestIdleCallback.bind(window);
  window.requestIdleCallback = (run, options) => plain((deadline) => {
    const began = performance.now();
    run(deadline);
    measured.kept.push(performance.now() - began);
    measured.at.push(began);
  }, options);
}"""


def main() -> None:
    """Print the times; end with an error where keeping a draft takes too long or happens too often."""
    options = argparse.ArgumentParser(prog="python -m bench.studio.drafts", description=__doc__)
    options.add_argument("--keys", type=int, default=60)
    args = options.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    if chromium is None:
        raise SystemExit("There is no Chromium: apt-get install chromium, or run `make test` as root once.")
    problems = []
    with tempfile.TemporaryDirectory(prefix="bench-drafts-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options(Path(chromium)))
        with BenchStudio(Path(folder), "sqlite").running() as studio:
            session = studio.tell("people")[0]
            address = f"{studio.url}/w/lab/new/"
            print(f"{args.keys} keys into a definition; milliseconds: middle (slowest)")
            for size in SIZES:
                without = typed(browser, session, address, size, args.keys, drafts=False)
                with_draft = typed(browser, session, address, size, args.keys, drafts=True)
                kept, pauses = with_draft["kept"], gaps(with_draft["at"])
                print(
                    f"  {size // 1000:5,} kB   key without draft {shown(without['keys'])}"
                    f"   with draft {shown(with_draft['keys'])}   keeping it {shown(kept)}, {len(kept)} times"
                )
                slow = sorted(kept)[int(len(kept) * 0.9) - 1]
                if size <= LIMIT_SIZE and slow > LIMIT_KEEPING:
                    problems.append(f"Keeping {size // 1000} kB took {slow:.1f} ms.")
                if pauses and min(pauses) < LEAST_PAUSE:
                    problems.append(f"A draft was kept again after {min(pauses):.0f} ms.")
        browser.close()
    if problems:
        raise SystemExit("\n".join(problems))


def typed(
    browser: Browser, session: str, address: str, size: int, keys: int, *, drafts: bool
) -> dict[str, Any]:
    """Type at the end of a text of this size, and return what took how long."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    context.set_default_timeout(SECONDS * 1000)
    context.add_cookies([{"name": "studio_session", "value": session, "url": address}])
    page = context.new_page()
    page.add_init_script(f"({MEASURE})()")
    if not drafts:
        page.route(re.compile(r"/drafts[^/]*\.js"), lambda route: route.abort())
    page.goto(address)
    text = LINE * (size // len(LINE))
    with page.expect_response(lambda response: response.url.endswith("/check")):
        page.evaluate("text => document.getElementById('id_text').editor.set(text)", text)
    editor = page.locator(".cm-content")
    editor.press("Control+End")
    page.wait_for_timeout(3000)  # the check is shown, and the text is kept
    page.evaluate("() => { for (const list of Object.values(measured)) list.length = 0; }")
    for _ in range(keys):
        page.keyboard.press("x")
        page.wait_for_timeout(60)
    page.wait_for_timeout(1500)
    measured: dict[str, Any] = page.evaluate("() => measured")
    context.close()
    return measured


def gaps(times: list[float]) -> list[float]:
    """Return the pauses between times."""
    return [later - earlier for earlier, later in pairwise(times)]


def shown(times: list[float]) -> str:
    """Return the middle and the slowest of some times."""
    return f"{statistics.median(times):.1f} ({max(times):.1f})"


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
