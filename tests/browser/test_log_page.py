"""The log of a build in a real browser: a long one comes in pieces, and every line of it can be reached."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import cache

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.backstage import ask
from tests.browser.visiting import LOOKS, axe_violations, sign_in
from tests.services.studio import Studio

Failure = Callable[[str], tuple[str, int]]


@pytest.fixture(scope="module")
def failed(studio: Studio) -> Failure:
    """The page of a failed build of a kind, and the line that shows why it failed; tests only read it."""

    @cache
    def made(kind: str) -> tuple[str, int]:
        address, line = ask(studio, "failure", "lab", kind)
        return studio.url + address, line

    return made


@pytest.fixture(scope="module")
def long_log(studio: Studio) -> str:
    """The address of a failed build with 7,000 lines of log, which tests only read."""
    return str(studio.url + ask(studio, "failed_build", "lab", f"long-{os.urandom(3).hex()}", "7000"))


def test_every_line_of_a_long_log_can_be_searched_linked_and_loaded_on_demand(
    page: Page, studio: Studio, long_log: str
) -> None:
    sign_in(page, studio, "lena", "lab")
    page.goto(long_log)
    log = page.locator("#log")
    expect(page.locator("#L7000")).to_be_attached()
    assert log.locator(".l").count() == 5000
    failure = page.locator(".failure")
    expect(failure.get_by_text("Missing command")).to_be_visible()
    expect(page.locator("#L7000.at")).to_be_in_viewport()  # from the start
    failure.get_by_role("link", name="Line 7000 of the log").click()
    expect(page.locator("#L7000")).to_be_in_viewport()

    # A line that is not loaded, and what is before it.
    failure.get_by_text("1 related problem in the log").click()
    failure.get_by_role("link", name="Line 5", exact=True).click()
    expect(page.locator("#L5.at")).to_be_in_viewport()
    expect(log.locator(".log-gap")).to_have_count(1)
    expect(log.locator(".log-gap a")).to_have_text("Show 1,495 more lines")
    log.locator(".log-gap a").click()
    expect(page.locator("#L2000")).to_be_attached()
    numbers = [int(number) for number in log.locator(".l > a").all_inner_texts()]
    assert numbers == sorted(set(numbers))
    assert log.locator(".log-group").count() == 1
    assert log.locator(".log-step").count() == 0

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


def test_a_link_to_a_line_that_is_not_loaded_shows_it(page: Page, studio: Studio, long_log: str) -> None:
    sign_in(page, studio, "lena", "lab")
    page.goto(f"{long_log}#L1777")
    expect(page.locator("#L1777.at")).to_be_in_viewport()


def test_a_failed_build_shows_its_parts_and_axe_finds_nothing(page: Page, studio: Studio) -> None:
    sign_in(page, studio, "lena", "lab")
    page.emulate_media(color_scheme="light")
    page.goto(studio.url + ask(studio, "failed_build", "lab", "short", "60"))
    parts = page.locator("details.parts")
    expect(parts.get_by_text("cached")).to_be_visible()
    page.locator("#words").fill("LINE 5")
    expect(page.locator("#hits")).to_have_text("11 lines")
    assert axe_violations(page) == []
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert axe_violations(page, LOOKS) == []
    parts.locator("a").first.click()
    expect(page.locator("#L1.at")).to_be_in_viewport()
    expect(page.locator(".step[data-current]")).to_contain_text("Base image")  # and back to its step
    page.emulate_media(media="print")
    assert page.locator("#log").evaluate("log => log.scrollHeight <= log.clientHeight"), (
        "all of it is printed"
    )
    parts.locator("summary").click()
    expect(parts.locator("a").first).to_be_hidden()


FAILURES = [
    "short",
    "at-the-start",
    "in-the-middle",
    "at-the-end",
    "of-a-long-log",
    "with-a-long-message",
    "with-many-causes",
    "of-many-steps",
    "with-long-lines",
    "in-a-folded-step",
]


def test_the_line_that_shows_why_a_build_failed_is_in_view_from_the_start(
    page: Page, studio: Studio, failed: Failure
) -> None:
    sign_in(page, studio, "lena", "lab")
    page.set_viewport_size({"width": 1440, "height": 900})
    for kind in FAILURES:
        address, line = failed(kind)
        page.goto(address)
        expect(page.locator(f"#L{line}.at.bad"), kind).to_be_in_viewport()
        assert page.evaluate("document.getElementById('failure-head').getBoundingClientRect().top") > 0, kind
        assert page.evaluate("scrollY") == 0, kind
        page.locator("#L1, .log-gap a").first.scroll_into_view_if_needed()
        page.get_by_role("button", name="First error").click()
        expect(page.locator(f"#L{line}.at"), kind).to_be_in_viewport()


def test_groups_fold_by_key_and_button_and_open_for_a_line(
    page: Page, studio: Studio, failed: Failure
) -> None:
    sign_in(page, studio, "lena", "lab")
    address, _ = failed("of-many-steps")
    page.goto(address)
    groups = page.locator(".log-group")
    names = [name.strip() for name in page.locator(".step-name").all_inner_texts()]
    shown = page.locator(".log-group-name").all_inner_texts()
    assert shown == [name.split("\n")[0] for name in names[: len(shown)]]
    expect(groups.first.locator(".log-group-end")).to_contain_text("Cached")

    page.get_by_role("button", name="Fold all").click()
    expect(page.locator(".log-group[open]")).to_have_count(0)
    groups.first.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#L2")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#L2")).to_be_hidden()
    page.locator(".step-name a").nth(1).click()
    expect(page.locator(".log-group[open]")).to_have_count(1)
    expect(page.locator(".step[data-current]")).to_contain_text("Resolve packages")
    page.get_by_role("button", name="Fold all").click()
    page.get_by_role("button", name="Unfold all").click()
    expect(page.locator(".log-group:not([open])")).to_have_count(0)


def test_each_reader_chooses_how_times_are_shown(page: Page, studio: Studio, failed: Failure) -> None:
    sign_in(page, studio, "lena", "lab")
    address, _ = failed("short")
    page.goto(address)
    time = "getComputedStyle(document.getElementById('L2'), '::before').content"
    assert page.evaluate(time) == "none"
    for choice, form in (
        ("elapsed", r'"\d:\d\d\.\d"'),
        ("utc", r'"\d\d:\d\d:\d\d\.\d{3}"'),
        ("local", r'"\d\d:\d\d:\d\d\.\d{3}"'),
    ):
        page.locator("#times").select_option(choice)
        assert re.fullmatch(form, page.evaluate(time)), choice
    page.reload()
    expect(page.locator("#times")).to_have_value("local")
    assert page.evaluate(time) != "none"
    page.locator("#times").select_option("off")
    assert page.evaluate(time) == "none"


def test_the_definition_and_the_log_lead_to_one_another(page: Page, studio: Studio, failed: Failure) -> None:
    sign_in(page, studio, "lena", "lab")
    address, line = failed("at-the-end")
    page.goto(address)
    expect(page.locator("#definition")).to_be_hidden()
    page.locator(".to-source").click()
    expect(page.locator("#D2.bad.at")).to_be_in_viewport()
    cause = page.locator("#D2.bad")
    expect(page.locator("#log")).to_be_hidden()
    cause.get_by_role("link", name=f"line {line} of the log").click()
    expect(page.locator(f"#L{line}.at")).to_be_in_viewport()
    page.get_by_role("button", name="Definition").click()
    expect(cause).to_be_visible()
    # Both are beside each other where there is room.
    page.set_viewport_size({"width": 1920, "height": 900})
    expect(page.locator("#log")).to_be_visible()
    expect(cause).to_be_visible()


def test_errors_are_visited_one_after_another(page: Page, studio: Studio, failed: Failure) -> None:
    sign_in(page, studio, "lena", "lab")
    address, line = failed("with-many-causes")
    page.goto(address)
    seen = []
    for _ in range(3):
        page.get_by_role("button", name="Next error").click()
        expect(page.locator("#error-at")).to_contain_text(" of 3")
        seen.append(page.locator("#error-at").inner_text())
        page.wait_for_timeout(100)
    assert sorted(seen) == ["Error 1 of 3", "Error 2 of 3", "Error 3 of 3"]
    page.get_by_role("button", name="First error").click()
    expect(page.locator(f"#L{line}.at")).to_be_in_viewport()


def test_a_long_id_is_short_and_copied_whole(page: Page, studio: Studio, failed: Failure) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, studio, "lena", "lab")
    address, _ = failed("short")
    page.goto(address)
    digest = page.locator("#log button.id").first
    expect(digest).to_have_text("sha256:abababababab…")
    digest.click()
    expect(page.locator("#said")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == f"sha256:{'ab' * 32}"


LAST_OF_FIRST_GROUP = "[...document.querySelectorAll('.log-group:first-child .l')].at(-1).id"


def test_of_a_very_long_log_few_lines_are_held_and_it_folds_at_once(page: Page, studio: Studio) -> None:
    """The page loads 5,000 lines at once. It holds 40,000, here 10,000: the first group is long enough to drop some."""
    sizes = [18_000, 6_000]
    sign_in(page, studio, "lena", "lab")
    address = ask(studio, "long_build", "lab", "long-log", *map(str, sizes))

    def hold_fewer(route: Route) -> None:
        answer = route.fetch()
        text = answer.text()
        assert 'data-most="40000"' in text
        route.fulfill(response=answer, body=text.replace('data-most="40000"', 'data-most="10000"'))

    page.route(studio.url + address, hold_fewer)
    page.goto(studio.url + address)
    lines = page.locator("#log .l")
    expect(page.locator(".log-group")).to_have_count(2)
    assert lines.count() == 5000
    first = page.locator(".log-group").first
    expect(first).not_to_have_attribute("open", "")
    first.locator("summary").click()
    expect(first.locator(".l").first).to_be_visible()
    assert lines.count() <= 10_000
    for _ in range(3):  # what is far from the lines that are read is dropped again
        last = page.evaluate(LAST_OF_FIRST_GROUP)
        first.locator(".log-gap a").last.click()
        page.wait_for_function(f"last => {LAST_OF_FIRST_GROUP} !== last", arg=last)
    assert lines.count() == 7500
    numbers = page.evaluate("[...document.querySelectorAll('#log .l')].map(line => Number(line.id.slice(1)))")
    assert numbers == sorted(set(numbers))
    gaps = page.evaluate(
        "[...document.querySelectorAll('.log-gap')].map(gap => [Number(gap.dataset.from), Number(gap.dataset.to)])"
    )
    missing = {number for first, last in gaps for number in range(first, last + 1)}
    assert missing.isdisjoint(numbers)
    assert len(missing) + len(numbers) == sum(sizes)
    took = page.evaluate(
        """() => {
          const began = performance.now();
          document.getElementById("fold").click();
          document.getElementById("log").getBoundingClientRect();
          return performance.now() - began;
        }"""
    )
    assert took < 2000  # the figure itself is the benchmark's
    expect(page.locator(".log-group[open]")).to_have_count(0)
