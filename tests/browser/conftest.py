"""A real Chromium, driven by Playwright, for the tests of the pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.backstage import ask
from tests.browser.profiles import SECONDS, KeptPage, new_profile, without_problems
from tests.browser.visiting import LONG, sign_in
from tests.services.servers.chromium import launch_options
from tests.services.studio import Studio


# For this folder only: Playwright's event loop runs in the tests' thread as long as it is open.
@pytest.fixture(scope="package")
def browser(chromium: Path) -> Iterator[Browser]:
    """Debian's Chromium, started once for all tests of the pages."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    # Django sees that event loop and would refuse the tests' own queries; nothing here shares a connection.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        options = launch_options(chromium)
        # No page lives long enough for optimized code to pay.
        options["args"] = [*options["args"], "--js-flags=--no-opt"]
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own: no cookie, nothing in the cache."""
    with closing(new_profile(browser)) as context:
        yield context


@pytest.fixture
def own_page(context: BrowserContext) -> Iterator[Page]:
    """An empty page in a profile of its own, for tests that change what is never undone: its clock, its first script."""
    page = context.new_page()
    with without_problems(page):
        yield page


@pytest.fixture(scope="package")
def kept(browser: Browser) -> Iterator[KeptPage]:
    """The page that tests hand on."""
    kept = KeptPage(browser)
    yield kept
    kept.close()


@pytest.fixture
def page(kept: KeptPage) -> Iterator[Page]:
    """A page without cookies, drafts, routes and permissions. Another test may have used it, and its cache."""
    page = kept.get()
    try:
        with without_problems(page):
            yield page
    finally:
        kept.clean()


@pytest.fixture
def olga(page: Page, studio: Studio) -> Page:
    """An empty page of somebody who is signed in and owns the workspace `lab`."""
    sign_in(page, studio, "olga", "lab")
    return page


# As long as the studio that it fills: tests of other folders may run in between.
@pytest.fixture(scope="session")
def shelf(studio: Studio) -> str:
    """Something on every page, with a name that is too long for all of them; the address of a build under way.

    It is viola who has workspaces beside `lab`: what others come to is as they left it.
    """
    ask(studio, "version", "lab", LONG, "numpy==2.1.3\nsix==1.16.0\n")
    for name in ("of-the-same", "of-the-same-too"):
        ask(studio, "version", "lab", name, "numpy==2.1.3\nsix==1.16.0\n")
    ask(studio, "version", "lab", LONG, "numpy==2.2.0\n")
    ask(studio, "use", "lab", LONG, "deployment", f"{'churn-' * 20}blue")
    ask(studio, "holding", "lab", "held", "pandas==1.5.3", "numpy==1.26.4", f"{'a-long-name-' * 12}x==1")
    ask(studio, "holding", "lab", "held-too", "pandas==2.2.3", "numpy==2.1.3")
    ask(studio, "link", "viola", "lab")
    ask(studio, "healing", "lab", "viola")
    ask(studio, "link", "viola", "empty-one")
    ask(studio, "link", "viola", "curated", "CONTRIBUTOR")
    ask(studio, "proposed", "lab", f"p-{LONG}")
    ask(studio, "leaving", f"AzureML-{LONG}")
    ask(studio, "shared", "elsewhere", "lab", f"s-{LONG}", "a long message " * 40)
    ask(studio, "shared", "lab", "elsewhere", f"t-{LONG}")
    ask(studio, "nameless", "lab", "numpy==2.1.3\nsix==1.16.0\n")
    ask(studio, "webhook", "lab", f"http://127.0.0.1:9/{'long' * 90}")
    return str(ask(studio, "building", "lab", "slow"))
