"""The environment's page in a browser: its first screen, copying, tabs on a narrow screen, the tour."""

from __future__ import annotations

import datetime
import re

from playwright.sync_api import Page, expect

from tests.browser.backstage import ask
from tests.browser.visiting import settled, sign_in
from tests.services.studio import Studio

HEADER = 180  # pixels at most
SCREEN = {"width": 1280, "height": 800}


def held(studio: Studio, name: str) -> str:
    """Return the address of a version with an image of its own, which holds a package of the same name."""
    return str(ask(studio, "holding", "lab", name, f"{name}==2.2.3", "numpy==2.1.3"))


def bottom(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box is not None, selector
    return box["y"] + box["height"]


def test_the_first_screen_answers_what_is_in_it_whether_it_works_and_how_to_use_it(
    olga: Page, studio: Studio
) -> None:
    address = held(studio, "first-screen")
    olga.set_viewport_size(SCREEN)  # type: ignore[arg-type]
    olga.goto(studio.url + address)
    header = olga.locator("#environment-head").bounding_box()
    assert header is not None
    assert header["height"] <= HEADER
    tabs = olga.locator("#environment-tabs").bounding_box()
    assert tabs is not None
    assert tabs["y"] + tabs["height"] - header["y"] <= HEADER  # with the tabs as well
    for selector in (
        "#environment-head .head-text > .row-of > .state",
        "#contents .contents-packages",
        "#contents .contents-facts",
        "#snippet",
    ):
        assert bottom(olga, selector) <= SCREEN["height"], selector
    expect(olga.locator("#contents")).to_contain_text(re.compile(r"first-screen\s+2\.2\.3"))
    expect(olga.locator("#snippet")).to_contain_text("docker run")
    expect(olga.locator("#environment-head .btn-main")).to_have_count(1)
    expect(olga.locator(".identifiers")).not_to_have_attribute("open", "")
    for hidden in ("sha256:", "azureml_"):
        assert hidden not in olga.locator("main").inner_text()


def test_a_failure_is_seen_with_its_cause_without_a_click(olga: Page, studio: Studio) -> None:
    build = ask(studio, "failed_build", "lab", "first-failure", "60")
    olga.set_viewport_size(SCREEN)  # type: ignore[arg-type]
    olga.goto(f"{studio.url}/w/lab/environments/first-failure/")
    failure = olga.locator("#failure")
    expect(failure).to_contain_text("The step “RUN make” at line 3 failed: sh: 1: gcc: not found")
    expect(failure.locator(".failure-line")).to_contain_text("sh: 1: gcc: not found")
    assert bottom(olga, "#failure") <= SCREEN["height"]
    expect(olga.locator("#environment-head .btn-main")).to_have_text("Edit the definition")
    failure.get_by_role("link", name="Line 60 of the log").click()
    expect(olga).to_have_url(f"{studio.url}{build}#L60")


def test_what_is_copied_is_ticked_for_two_seconds_on_every_block_of_code(
    own_page: Page, studio: Studio
) -> None:
    olga = own_page
    sign_in(olga, studio, "olga", "lab")
    address = held(studio, "copied")
    olga.context.grant_permissions(["clipboard-read", "clipboard-write"])
    olga.goto(studio.url + address)
    button = olga.locator("#how-to-use .copy").first
    expect(button).to_be_visible()
    expect(button.get_by_text("Copied")).to_be_hidden()
    # The page's clock stops: how fast this machine is does not matter.
    now = datetime.datetime.now(datetime.UTC)
    olga.clock.install(time=now)
    olga.clock.pause_at(now + datetime.timedelta(minutes=1))
    button.click()
    expect(button.get_by_text("Copied")).to_be_visible()
    expect(button.locator("use[href$='#check']")).to_have_count(1)
    olga.clock.run_for(1900)
    expect(button.get_by_text("Copied")).to_be_visible()
    olga.clock.run_for(200)
    expect(button.get_by_text("Copied")).to_be_hidden()
    text = olga.evaluate("navigator.clipboard.readText()")
    assert text == olga.locator("#snippet").text_content()
    assert f"{studio.url.partition('://')[2]}/lab/copied:1" in text

    olga.goto(f"{studio.url}{address}?tab=uses")
    block = olga.locator("main .code-block").first
    block.get_by_role("button", name="Copy the code").click()
    assert olga.evaluate("navigator.clipboard.readText()") == block.locator("pre").text_content()


def test_the_ways_to_use_it_are_chosen_in_place_also_those_in_the_menu(olga: Page, studio: Studio) -> None:
    address = held(studio, "ways-chosen")
    olga.goto(studio.url + address)
    ways = olga.get_by_role("navigation", name="Ways to use it")
    settled(ways)
    ways.get_by_role("link", name="Kubernetes").click()
    expect(olga.locator("#snippet")).to_contain_text("kind: Job")
    ways.get_by_text("More").click()
    ways.get_by_role("link", name="Azure CLI").click()
    expect(olga.locator("#snippet")).to_contain_text("az ml environment create")
    expect(olga.locator("#more-ways summary")).to_contain_text("Azure CLI")
    olga.reload()
    expect(olga.locator("#snippet")).to_contain_text("az ml environment create")


def test_the_chosen_tab_is_in_sight_on_a_narrow_screen(olga: Page, studio: Studio) -> None:
    address = held(studio, "narrow")
    olga.set_viewport_size({"width": 390, "height": 800})
    for tab in ("versions", "activity", "details"):
        olga.goto(f"{studio.url}{address}?tab={tab}")
        box = olga.locator("#environment-tabs [aria-current]").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert olga.evaluate("window.scrollY") == 0


def test_a_wide_screen_is_used(olga: Page, studio: Studio) -> None:
    olga.set_viewport_size({"width": 1920, "height": 900})
    olga.goto(f"{studio.url}/w/lab/environments/")
    box = olga.locator("main").bounding_box()
    assert box is not None
    assert 1920 - box["x"] - box["width"] <= 2
    olga.set_viewport_size({"width": 2560, "height": 900})
    box = olga.locator("main").bounding_box()
    side = olga.locator(".sidebar").bounding_box()
    assert box is not None
    assert side is not None
    left = box["x"] - side["width"]
    assert abs(left - (2560 - box["x"] - box["width"])) <= 2  # centred


def test_the_rarer_actions_are_in_a_menu_that_the_keyboard_opens(olga: Page, studio: Studio) -> None:
    address = held(studio, "menu-of-it")
    olga.goto(studio.url + address)
    settled(olga.locator("#environment-menu"))
    expect(olga.get_by_role("link", name="Duplicate")).to_be_hidden()
    olga.locator("#environment-menu summary").focus()
    olga.keyboard.press("Enter")
    for name in ("Rebuild", "Duplicate", "Compare", "Download the definition", "Propose"):
        expect(olga.locator("#environment-menu").get_by_role("link", name=name)).to_be_visible()
    expect(olga.get_by_role("button", name="Archive")).to_be_visible()
    olga.keyboard.press("Escape")
    expect(olga.get_by_role("link", name="Duplicate")).to_be_hidden()


def test_a_description_in_markdown_breaks_no_policy(olga: Page, studio: Studio) -> None:
    """The page's fixture fails on what the Content-Security-Policy stops."""
    address = held(studio, "described")
    olga.goto(f"{studio.url}{address}?edit=about")
    text = "# For *forecasts*\n\n| a | b |\n|:-:|--:|\n| 1 | 2 |\n\n```\nuv pip sync\n```\n\n![x](https://evil.example/p.png)"
    olga.get_by_label("Description").fill(text)
    olga.locator("#about").get_by_role("button", name="Save").click()
    expect(olga.locator("#about").get_by_role("status")).to_have_text("Saved.")
    expect(olga.locator("#about h3")).to_have_text("For forecasts")
    expect(olga.locator("#about td")).to_have_count(2)
    expect(olga.locator("#about img")).to_have_count(0)
    expect(olga.locator("#about .code-block").get_by_role("button", name="Copy the code")).to_be_visible()


def test_the_badge_is_drawn_on_the_page(olga: Page, studio: Studio) -> None:
    address = held(studio, "badged")
    olga.goto(studio.url + address)
    olga.get_by_label("Name of the key").fill("README of churn")
    olga.get_by_role("button", name="Create badge key").click()
    image = olga.locator(".badge-image")
    image.scroll_into_view_if_needed()
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("image => image.naturalWidth") > 100
