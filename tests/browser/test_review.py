"""The way into the catalogue, in a real browser: one proposes, another approves, everybody has it (issue 6 point 6)."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.backstage import ask
from tests.browser.visiting import settled, sign_in
from tests.services.studio import Studio


def test_one_proposes_another_approves_and_everybody_has_it(
    browser: Browser, page: Page, studio: Studio
) -> None:
    address = ask(studio, "holding", "lab", "release", "attrs==24.2.0")
    sign_in(page, studio, "olga", "lab")
    page.goto(studio.url + address)
    settled(page.locator("#environment-menu"))
    page.locator("#environment-menu summary").click()
    page.get_by_role("link", name="Propose", exact=True).click()
    expect(page.get_by_label("Name of the new environment")).to_have_value("AzureML-release")
    page.get_by_label("Description").fill("Attributes for classes.")
    page.get_by_label("Speech and sound").check()
    page.get_by_label("Reason").fill("Everybody needs attrs.")
    page.get_by_role("button", name="Propose").click()
    expect(page.locator("main .head").get_by_text("Waiting")).to_be_visible()

    ask(studio, "link", "cora", "curated", "CONTRIBUTOR")
    context = browser.new_context()
    hers = context.new_page()
    sign_in(hers, studio, "cora", "shop")
    hers.goto(f"{studio.url}/w/shop/environments/")
    hers.get_by_role("link", name=re.compile(r"^Review \d")).first.click()
    hers.get_by_role("link", name="AzureML-release").click()
    expect(hers.get_by_text("Everybody needs attrs.")).to_be_visible()
    hers.get_by_role("button", name=re.compile("^Approve")).click()
    expect(hers.get_by_role("alert")).to_contain_text("Confirm it to approve.")
    for box in hers.locator("input[name=confirm]").all():
        box.check()
    hers.get_by_role("button", name=re.compile("^Approve")).click()
    expect(hers.get_by_text("AzureML-release:1 is published. Anyone can use it now.")).to_be_visible()
    hers.get_by_role("link", name="Open in the catalogue").click()
    expect(hers.locator("#environment-head .head-text > .row-of > .state-good")).to_be_visible()
    context.close()

    page.reload()
    expect(page.get_by_text("approved and published it")).to_be_visible()
    page.goto(f"{studio.url}/w/lab/environments/?tab=curated")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="release", exact=True))
    expect(card).to_contain_text("Attributes for classes.")
    expect(card.locator(".art-sound")).to_be_visible()
