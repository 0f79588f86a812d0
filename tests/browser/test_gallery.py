"""The gallery of curated environments in a real browser: at each width, by keyboard, to a running command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.backstage import ask
from tests.browser.visiting import LONG, LOOKS, axe_violations, settled
from tests.services.studio import Studio

GALLERY = "/w/lab/environments/?tab=curated"


@pytest.fixture(scope="module")
def shelf(studio: Studio) -> None:
    """Built and unbuilt environments in the catalogue, and a name that is too long for a card."""
    ask(studio, "holding", "curated", "AzureML-built", "numpy==2.1.3")
    ask(
        studio,
        "version",
        "curated",
        f"AzureML-{LONG}",
        "numpy==2.1.3\n" + "".join(f"p{n}==1\n" for n in range(60)),
    )


def open_gallery(page: Page, studio: Studio) -> None:
    page.goto(studio.url + GALLERY)
    settled(page.get_by_role("heading", name="Catalogue", exact=True))


# Colours depend on the theme and not on the width, what the other rules look at on neither.
LOOKED_AT: list[tuple[int, Literal["light", "dark"], Sequence[str]]] = [
    (1280, "light", ()),
    (390, "dark", LOOKS),
    (1920, "light", LOOKS),
]


def test_the_gallery_fits_every_width_and_axe_has_nothing_to_say(
    olga: Page, studio: Studio, shelf: None
) -> None:
    open_gallery(olga, studio)
    olga.locator(".env-packages summary").first.click()
    olga.locator(".env-use summary").first.click()
    for width, theme, rules in LOOKED_AT:
        olga.set_viewport_size({"width": width, "height": 900})
        olga.emulate_media(color_scheme=theme)
        assert olga.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        box = olga.locator(".env-command:visible").bounding_box()
        assert box is not None, width
        assert box["x"] >= 0, width
        assert box["x"] + box["width"] <= width
        assert axe_violations(olga, rules) == [], width


def test_two_clicks_lead_from_the_gallery_to_a_command_in_the_clipboard(
    olga: Page, studio: Studio, shelf: None
) -> None:
    olga.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_gallery(olga, studio)
    card = olga.get_by_role("listitem").filter(has=olga.get_by_role("link", name="built", exact=True))
    card.locator("summary", has_text="Use").click()
    card.get_by_role("button", name="Copy the command").click()
    command = f"docker run --rm -it localhost:{studio.port}/curated/azureml-built:1 python"
    assert olga.evaluate("navigator.clipboard.readText()") == command
    card.get_by_role("link", name="See all ways to use it").click()
    settled(olga.get_by_role("heading", name="Use it"))


def test_the_whole_card_is_the_link_and_what_lies_above_it_is_not(
    olga: Page, studio: Studio, shelf: None
) -> None:
    open_gallery(olga, studio)
    card = olga.get_by_role("listitem").filter(has=olga.get_by_role("link", name="built", exact=True))
    card.locator(".env-packages summary").click()
    expect(card.get_by_text("numpy ==2.1.3")).to_be_visible()
    card.locator(".env-art").click(force=True)  # what receives it is the link above
    settled(olga.get_by_role("heading", name="built", exact=True))
    expect(olga.get_by_role("list", name="Requested packages")).to_contain_text("numpy 2.1.3")
    olga.locator("#environment-menu summary").click()
    with olga.expect_download() as download:
        olga.get_by_role("link", name="Download the definition").click()
    assert download.value.suggested_filename == "requirements.txt"
    assert "numpy==2.1.3" in download.value.path().read_text()


def test_by_keyboard_a_card_is_entered_its_command_shown_and_a_filter_chosen(
    olga: Page, studio: Studio, shelf: None
) -> None:
    open_gallery(olga, studio)
    card = olga.get_by_role("listitem").filter(has=olga.get_by_role("link", name="built", exact=True))
    card.get_by_role("link", name="built", exact=True).focus()
    olga.keyboard.press("Tab")
    olga.keyboard.press("Enter")  # the packages
    expect(card.get_by_text("numpy ==2.1.3")).to_be_visible()
    olga.keyboard.press("Tab")
    olga.keyboard.press("Enter")  # Use
    expect(card.locator(".env-command pre")).to_be_visible()
    olga.keyboard.press("Escape")
    expect(card.locator(".env-command pre")).to_be_hidden()
    expect(card.locator(".env-use summary")).to_be_focused()
    chip = olga.get_by_role("group", name="State").get_by_role("link", name="Ready")
    chip.focus()
    olga.keyboard.press("Enter")
    expect(olga.get_by_role("group", name="State").locator("[aria-current=true]")).to_contain_text("Ready")
    expect(olga.get_by_role("link", name="built", exact=True)).to_be_visible()
    assert "q=state%3Aready" in olga.url
