"""The log of a build in a real browser: a long one comes in pieces, and every line of it can be reached."""

from __future__ import annotations

import os
import re
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.backstage import ask
from tests.browser.visiting import axe_violations, sign_in
from tests.services.studio import Studio


@pytest.fixture
def long_build(page: Page, studio: Studio) -> Page:
    """The page of a failed build with 7,000 lines of log."""
    sign_in(page, studio, "lena", "lab")
    page.goto(studio.url + ask(studio, "failed_build", "lab", f"long-{os.urandom(3).hex()}", "7000"))
    return page


def test_every_line_of_a_long_log_can_be_searched_linked_and_loaded_on_demand(long_build: Page) -> None:
    page, log = long_build, long_build.locator("#log")
    expect(page.locator("#L7000")).to_be_attached()
    assert log.locator(".l").count() == 5000
    failure = page.locator(".failure")
    expect(failure.get_by_text("Missing command")).to_be_visible()
    failure.get_by_role("link", name="Line 7000 of the log").click()
    expect(page.locator("#L7000")).to_be_in_viewport()

    # A line that is not loaded, and what is before it.
    failure.get_by_role("link", name="Line 5", exact=True).click()
    expect(page.locator("#L5.at")).to_be_in_viewport()
    expect(log.locator(".log-gap")).to_have_count(1)
    log.locator(".log-gap a").click()
    expect(page.locator("#L2000")).to_be_attached()
    numbers = [int(number) for number in log.locator(".l > a").all_inner_texts()]
    assert numbers == sorted(set(numbers))
    assert log.locator(".log-step").count() == 1

    # Search goes through all lines, loaded or not.
    page.locator("#words").fill("NEEDLE")
    expect(page.locator("#hits")).to_have_text("6 lines")
    for number in (1000, 2000, 3000):
        page.keyboard.press("Enter")
        expect(page.locator(f"#L{number}.at.hit")).to_be_in_viewport()
    expect(page.locator("#hits")).to_have_text("3 of 6 lines")
    page.locator("#before").click()
    expect(page.locator("#L2000.at")).to_be_in_viewport()

    link = log.locator("a", has_text="links").first
    expect(link).to_have_attribute("href", "https://example.org")


def test_a_link_to_a_line_that_is_not_loaded_shows_it(long_build: Page) -> None:
    page = long_build
    page.goto(re.sub(r"#.*", "", page.url) + "#L1777")
    page.reload()
    expect(page.locator("#L1777.at")).to_be_in_viewport()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_failed_build_shows_its_parts_and_axe_finds_nothing(
    page: Page, studio: Studio, theme: Literal["light", "dark"]
) -> None:
    sign_in(page, studio, "lena", "lab")
    page.emulate_media(color_scheme=theme)
    page.goto(studio.url + ask(studio, "failed_build", "lab", f"short-{theme}", "60"))
    parts = page.locator("details.parts")
    expect(parts.get_by_text("cached")).to_be_visible()
    page.locator("#words").fill("LINE 5")
    expect(page.locator("#hits")).to_have_text("11 lines")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/log-{theme}.png", full_page=True)
    assert axe_violations(page) == []
    parts.locator("a").first.click()
    expect(page.locator("#L1.at")).to_be_in_viewport()
    parts.locator("summary").click()
    expect(parts.locator("a").first).to_be_hidden()
