"""Profiles of the browser, and a page that tests hand on: its process, scripts and styles are there for the next test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, ViewportSize

SECONDS = 60  # a test that passes waits for none of it, also on a machine that has much to do
SIZE: ViewportSize = {"width": 1280, "height": 900}


def new_profile(browser: Browser) -> BrowserContext:
    """Return a new profile: no cookie, nothing in the cache. Nothing moves: each picture costs CPU."""
    context = browser.new_context(viewport=SIZE, locale="en-GB", reduced_motion="reduce")
    context.set_default_timeout(SECONDS * 1000)
    return context


@contextmanager
def without_problems(page: Page) -> Iterator[None]:
    """Fail if a script of the page is broken, or one is stopped by the Content-Security-Policy."""
    problems: list[str] = []

    def note_error(error: Error) -> None:
        problems.append(str(error))

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            problems.append(message.text)

    page.on("pageerror", note_error)
    page.on("console", note)
    yield
    page.remove_listener("pageerror", note_error)
    page.remove_listener("console", note)
    assert not problems, "\n".join(problems)


class KeptPage:
    """A page that each test leaves to the next as if it were new. If it cannot be cleaned, it is closed."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._page: Page | None = None

    def get(self) -> Page:
        """Return the page."""
        if self._page is None:
            self._page = new_profile(self._browser).new_page()
        return self._page

    def clean(self) -> None:
        """Take away all that a test has left, but the cache."""
        page = self.get()
        try:
            self._clean(page)
        except Error:  # the test has closed it, or its studio
            self.close()

    def _clean(self, page: Page) -> None:
        context = page.context
        page.unroute_all()
        context.clear_cookies()
        context.clear_permissions()
        for other in context.pages:
            if other != page:
                other.close()
        page.emulate_media(media="screen", color_scheme="light", reduced_motion="reduce")
        if page.viewport_size != SIZE:
            page.set_viewport_size(SIZE)
        address = urlsplit(page.url)
        if address.netloc:
            # As it is left, a page may still keep something.
            page.goto(f"{address.scheme}://{address.netloc}/healthz")
            page.evaluate("localStorage.clear(); sessionStorage.clear()")

    def close(self) -> None:
        """Close the page with its profile: the next page is new."""
        if self._page is not None:
            with suppress(Error):
                self._page.context.close()
        self._page = None
