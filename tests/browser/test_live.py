"""Open pages keep up with the workspace: nobody reloads, and nothing that the reader does is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.backstage import ask
from tests.browser.profiles import new_profile
from tests.browser.visiting import sign_in
from tests.services.fixtures import StartStudio
from tests.services.studio import Studio

BEHIND = 15.0  # seconds behind a fresh load, after which a page is not live, even on a busy machine
ENDED_SECONDS = 120
# The ids of the live parts whose text is another than in a fresh load; what scripts write is left out.
DIFFERENCES = """async () => {
  const text = (part) => {
    const copy = part.cloneNode(true);
    for (const written of copy.querySelectorAll("time, [data-countdown], .copy")) written.remove();
    return copy.textContent.replace(/\\s+/g, " ").trim();
  };
  const answer = await fetch(location.href);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [...document.querySelectorAll("body [data-live][id]")]
    .filter((part) => text(part) !== text(fresh.getElementById(part.id) ?? document.createElement("p")))
    .map((part) => `${part.id}: ${text(part)} / ${text(fresh.getElementById(part.id) ?? document.createElement("p"))}`);
}"""


@pytest.fixture
def visit(browser: Browser, page: Page, studio: Studio) -> Iterator[Any]:
    """Open pages of persons, each person with a profile of their own."""
    pages: dict[str, Page] = {}

    def open_page(name: str, path: str, workspace: str = "lab") -> Page:
        if name in pages:
            opened = pages[name].context.new_page()
        else:
            opened = new_profile(browser).new_page() if pages else page
            sign_in(opened, studio, name, workspace)
            pages[name] = opened
        opened.goto(studio.url + path)
        opened.wait_for_selector("body[data-connected]")
        return opened

    yield open_page
    for opened in pages.values():
        if opened != page:
            opened.context.close()


def request_builds(studio: Studio, secret: str, workspace: str, names: list[str]) -> None:
    """Save an environment by the API for each name, and request its build."""

    def post(path: str, body: dict[str, object]) -> None:
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        url = f"{studio.url}/api/v1/workspaces/{workspace}/environments/{path}"
        with urlopen(Request(url, json.dumps(body).encode(), headers)) as answer:  # noqa: S310 (our own)
            assert answer.status < 300

    for name in names:
        post(
            f"{name}/versions/",
            {"text": f"six>=1.{name.rpartition('-')[2]}\n"},
        )
        post(f"{name}/versions/latest/builds/", {})


def test_open_pages_equal_a_fresh_load_while_builds_are_requested_by_the_api(
    visit: Any, studio: Studio
) -> None:
    review = ask(studio, "proposed", "alive", "alive-proposed")
    number = review.strip("/").split("/")[-1]
    first = ask(studio, "version", "alive", "alive-0", "name: alive-0\nimage: host\n")
    pages = [
        visit("alma", path, "alive")
        for path in (
            "/w/alive/builds/",
            "/w/alive/environments/",
            first,
            "/w/alive/images/",
            f"/w/alive/proposals/{number}/",
        )
    ]
    for page in pages:
        page.evaluate("window.kept = true")
    names = [f"alive-{number}" for number in range(1, 4)]
    request_builds(studio, ask(studio, "token", "alma"), "alive", names)
    # The outdated text of each page, and since when it shows that.
    behind: dict[int, tuple[str, float]] = {}
    worst = 0.0
    answered = False
    deadline = time.monotonic() + ENDED_SECONDS
    while True:
        for index, page in enumerate(pages):
            began = time.monotonic()
            different = page.evaluate(DIFFERENCES)
            shown = "\n".join(text.partition(" / ")[0] for text in different)
            if not different:
                behind.pop(index, None)
            elif behind.get(index, ("", 0))[0] != shown:
                behind[index] = (shown, began)
            late = began - behind[index][1] if index in behind else 0.0
            worst = max(worst, late)
            assert late < BEHIND, different
        rows = pages[0].locator("#builds section tbody tr").all_inner_texts()
        ended = sum("Succeeded" in row for row in rows)
        if ended == len(names) and not answered:
            ask(studio, "answered", number, "Pin numpy.")
            answered = True
        elif answered and not behind and "Changes" in pages[4].locator("#proposal-head").inner_text():
            break
        assert time.monotonic() < deadline, rows
        pages[0].wait_for_timeout(1000)  # to look all the time would take what the builds need
    print(f"\nworst delay of a page: {worst:.2f} s")
    for page in pages:
        assert page.evaluate("window.kept") is True  # nobody has reloaded it
        assert page.evaluate(DIFFERENCES) == []
    expect(pages[1].locator("#environments")).to_contain_text("alive-3")


def test_the_clock_and_the_estimate_of_a_running_build_never_stand_still(visit: Any, studio: Studio) -> None:
    ask(studio, "ended", "alma", "ticking", "0", "5")
    page = visit("alma", "/w/ticking/builds/", "ticking")
    ask(studio, "building", "ticking", "slow-ticking")
    row = page.locator("#builds section tbody tr").first
    expect(row).to_contain_text("Building")
    seen = set()
    for _ in range(4):
        seen.add(row.locator("time[data-since]").inner_text())
        page.wait_for_timeout(1500)
    assert len(seen) == 4
    expect(row.locator("[data-countdown]")).to_have_text("Taking longer than usual")


def test_what_the_reader_does_in_a_list_stays_when_it_changes(visit: Any, studio: Studio) -> None:
    for name in ("stays-a", "stays-b"):
        ask(studio, "version", "stays", name, "numpy==2.1.3\n")
    page = visit("alma", "/w/stays/environments/", "stays")
    page.get_by_role("checkbox", name="Choose stays-a").check()
    page.get_by_role("link", name="stays-b", exact=True).focus()
    page.locator("#filter").evaluate("field => field.value = 'half a wo'")
    page.evaluate("document.querySelector('.columns').open = true")
    top = page.locator("h1").bounding_box()
    ask(studio, "version", "stays", "stays-c", "pandas==2.2.3\n")
    expect(page.get_by_role("link", name="stays-c", exact=True)).to_be_visible()
    expect(page.locator("#environments-tabs [aria-current] .count")).to_have_text("3")
    expect(page.get_by_role("checkbox", name="Choose stays-a")).to_be_checked()
    expect(page.get_by_role("link", name="stays-b", exact=True)).to_be_focused()
    assert page.locator("#filter").input_value() == "half a wo"
    assert page.evaluate("document.querySelector('.columns').open")
    assert page.locator("h1").bounding_box() == top
    names = page.locator("#environments a.name").all_inner_texts()
    assert names[0] == "stays-c"  # newest first, as a fresh load has it


def test_a_filter_applies_as_one_types_and_the_list_stays_filtered_and_live(
    visit: Any, studio: Studio
) -> None:
    ask(studio, "ended", "alma", "typed", "0", "2")
    page = visit("alma", "/w/typed/builds/", "typed")
    expect(page.get_by_role("button", name="Filter")).to_be_hidden()
    page.get_by_role("searchbox", name="Environment or hash").fill("ended-1")
    expect(page.locator("#builds section tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=ended-1"))
    ask(studio, "ended", "alma", "typed", "10", "3")  # ended-10 … ended-12 match
    expect(page.locator("#builds section tbody tr")).to_have_count(4)
    expect(page.get_by_role("link", name="Clear")).to_be_visible()


def test_a_decision_is_about_what_the_reviewer_has_read(visit: Any, studio: Studio) -> None:
    review = ask(studio, "proposed", "kept", "kept-proposed")
    page = visit("rhea", review, "curated")
    comment = page.get_by_role("textbox")
    comment.last.fill("I am still reading")
    seen = page.locator("[name=seen]").input_value()
    ask(studio, "answered", review.strip("/").split("/")[-1], "Other: <b>pin it</b>")
    expect(page.locator("#proposal-head")).to_contain_text("Changes")
    expect(page.locator("#proposal")).to_contain_text("Other: <b>pin it</b>")
    assert page.locator("[name=seen]").input_value() == seen
    assert comment.last.input_value() == "I am still reading"


def test_hidden_pages_hold_no_stream_and_catch_up_when_they_are_seen(visit: Any, studio: Studio) -> None:
    page = visit("alma", "/w/hiding/environments/", "hiding")
    show = "hidden => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden}); document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(show, True)
    ask(studio, "version", "hiding", "unseen", "numpy==2.1.3\n")
    page.wait_for_timeout(2500)
    assert page.get_by_role("link", name="unseen", exact=True).count() == 0
    page.evaluate(show, False)
    expect(page.get_by_role("link", name="unseen", exact=True)).to_be_visible()


def test_a_page_whose_reader_has_signed_out_keeps_what_it_shows_and_says_that_it_is_not_updated(
    visit: Any, studio: Studio
) -> None:
    page = visit("soren", "/w/leaving/environments/", "leaving")
    ask(studio, "version", "leaving", "before", "numpy==2.1.3\n")
    expect(page.get_by_role("link", name="before", exact=True)).to_be_visible()
    page.context.clear_cookies()
    ask(studio, "version", "leaving", "after", "numpy==2.1.3\n")
    expect(page.get_by_text("Not updating")).to_be_visible()
    expect(page.get_by_role("link", name="before", exact=True)).to_be_visible()
    assert page.get_by_role("link", name="after", exact=True).count() == 0


def test_a_studio_that_is_killed_and_started_again_finds_its_pages_up_to_date(
    page: Page, start_studio: StartStudio, stock: Path
) -> None:
    studio = start_studio(stock)
    sign_in(page, studio, "olga", "lab")
    page.goto(f"{studio.url}/w/lab/environments/")
    page.wait_for_selector("body[data-connected]")
    page.evaluate("window.kept = true")
    assert studio.process
    os.killpg(studio.process.pid, signal.SIGKILL)
    studio.process.wait()
    ask(studio, "version", "lab", "meanwhile", "numpy==2.1.3\n")
    assert page.get_by_role("link", name="meanwhile", exact=True).count() == 0
    expect(page.get_by_role("heading", name="Environments", exact=True)).to_be_visible()  # and still usable
    studio.start()
    expect(page.get_by_role("link", name="meanwhile", exact=True)).to_be_visible()
    assert page.evaluate(DIFFERENCES) == []
    assert page.evaluate("window.kept") is True


@pytest.mark.parametrize("alone", [False, True])
def test_eight_tabs_over_http_1_share_a_stream_and_go_on_without_the_first(
    alone: bool, browser: Browser, studio: Studio
) -> None:
    """A browser opens six connections to a host: with a stream in each tab, the seventh would load nothing."""
    context = browser.new_context()
    if alone:
        # Without shared workers each tab has its own stream, and as few tabs as connections work.
        context.add_init_script("delete window.SharedWorker")
    page = context.new_page()
    workspace = f"tabs-{alone}".lower()
    sign_in(page, studio, "tara", workspace)
    tabs = [page, *(context.new_page() for _ in range(2 if alone else 7))]
    for tab in tabs:
        tab.goto(f"{studio.url}/w/{workspace}/environments/")
        tab.wait_for_selector("body[data-connected]")
    ask(studio, "version", workspace, "seen-by-all", "numpy==2.1.3\n")
    for tab in tabs:
        expect(tab.get_by_role("link", name="seen-by-all", exact=True)).to_be_visible()
    tabs.pop(0).close()
    ask(studio, "version", workspace, "after-the-first", "numpy==2.1.3\n")
    for tab in tabs:
        expect(tab.get_by_role("link", name="after-the-first", exact=True)).to_be_visible()
    late = context.new_page()
    late.goto(f"{studio.url}/w/{workspace}/environments/")
    late.wait_for_selector("body[data-connected]")
    ask(studio, "version", workspace, "seen-late", "numpy==2.1.3\n")
    for tab in (*tabs, late):
        expect(tab.get_by_role("link", name="seen-late", exact=True)).to_be_visible()
    context.close()


# Bell and toasts


def test_twenty_ended_builds_move_nothing_and_are_all_under_the_bell(visit: Any, studio: Studio) -> None:
    page = visit("bella", "/w/belfry/activity/", "belfry")
    boxes = "() => [...document.querySelectorAll('.topbar, .topbar *, .sidebar *, main, h1')].filter(part => !part.closest('.bell-count, .menu-list') && !part.matches('.bell-count')).map(part => JSON.stringify(part.getBoundingClientRect())).join()"
    before, height = page.evaluate(boxes), page.evaluate("document.documentElement.scrollHeight")
    unread = ask(studio, "ended", "bella", "belfry", "0", "20")
    assert unread == 20
    expect(page.locator(".bell-count")).to_have_text("20")
    assert page.evaluate(boxes) == before
    assert page.evaluate("document.documentElement.scrollHeight") == height
    assert page.locator(".toast-note").count() <= 3
    page.get_by_text("Notifications: 20 unread").locator("..").click()
    panel = page.locator(".bell-panel")
    expect(panel.get_by_role("link", name=re.compile("^Build (failed|succeeded): ended-"))).to_have_count(8)
    panel.get_by_role("button", name="Mark all read").click()
    expect(page.locator(".bell-count")).to_have_count(0)


def test_a_toast_is_for_what_one_started_stays_five_seconds_and_is_text(visit: Any, studio: Studio) -> None:
    page = visit("tove", "/w/toasted/builds/", "toasted")
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    evil = '<img src=x onerror="alert(1)"><script>alert(2)</script>“quoted”'
    ask(studio, "notice", "tove", evil, "/w/toasted/environments/")
    toast = page.locator(".toast-note")
    expect(toast.get_by_role("link", name=evil)).to_be_visible()
    assert page.locator(".toast-note img, .bell-panel img").count() == 0
    page.wait_for_timeout(2000)
    expect(toast).to_be_visible()
    expect(toast).to_have_count(0, timeout=15_000)
    expect(page.locator(".bell-count")).to_have_text("1")  # it stays under the bell
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('studio:toast', {detail: {text: '<b>bold</b>', level: 'x\" onclick'}}))"
    )
    expect(toast).to_have_text("<b>bold</b>")
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)
    # On the page that it is about, it needs no toast and is read.
    page.goto(f"{studio.url}/w/toasted/environments/")
    expect(page.locator(".bell-count")).to_have_count(0)


def test_who_wants_no_notifications_gets_none(visit: Any, studio: Studio) -> None:
    ask(studio, "link", "quentin", "quiet")
    ask(studio, "wants_nothing", "quentin")
    page = visit("quentin", "/w/quiet/builds/", "quiet")
    ask(studio, "ended", "quentin", "quiet", "0", "2")
    expect(page.locator("#builds section tbody tr")).to_have_count(2)
    page.wait_for_timeout(1500)
    assert page.locator(".bell-count, .toast-note").count() == 0


def test_the_author_of_a_proposal_sees_the_answer_on_any_page(visit: Any, studio: Studio) -> None:
    review = ask(studio, "proposed", "authored", "authored-proposed", "petra")
    page = visit("petra", "/account/tokens/", "authored")
    ask(studio, "answered", review.strip("/").split("/")[-1], "Pin numpy.")
    expect(page.locator(".bell-count")).to_have_text("1", timeout=BEHIND * 1000)
    expect(page.locator(".toast-note")).to_contain_text("authored-proposed")
