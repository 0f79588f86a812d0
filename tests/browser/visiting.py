"""Visit a studio in a browser, and check its pages with axe-core."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.backstage import ask
from tests.services.studio import Studio

AXE = Path(__file__).with_name("axe.min.js").read_text()
# Touch targets are large enough for WCAG 2.2: axe checks that only on request.
# It need not fetch the style sheets again: no rule of ours reads them.
OPTIONS = {"preload": False, "resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
# The rules that look at colours and sizes: what the others look at is the same in every theme and at every width.
LOOKS = ("color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size")
LONG = (
    "a-name-that-somebody-generated.from-a-branch.feature-JIRA-12345-retrain-all-of-the-models-" + "x" * 100
)


def sign_in(page: Page, studio: Studio, name: str, workspace: str) -> None:
    """Give a page's profile the session of an owner of the workspace; no page is opened."""
    cookie, value = ask(studio, "session", name, workspace)
    page.context.add_cookies([{"name": cookie, "value": value, "url": studio.url}])


def sign_in_by_link(page: Page, studio: Studio, name: str, workspace: str) -> None:
    """Sign in as people do, by a one-time link, as an owner of the workspace."""
    page.goto(studio.url + ask(studio, "link", name, workspace))
    page.get_by_role("button", name=f"Sign in as {name}").click()
    expect(page).to_have_url(re.compile("/w/"))
    settled(page.get_by_role("heading", level=1))


def settled(shown: Locator) -> None:
    """Wait until an element is visible and the page's scripts have run, so that clicks reach them."""
    expect(shown).to_be_visible()
    shown.page.wait_for_load_state("load")


def editor_of(page: Page) -> Locator:
    """Return the editor that a script puts in place of the definition's text field."""
    return page.get_by_role("textbox", name="Definition").and_(page.locator("[contenteditable]"))


def create(page: Page) -> None:
    """Save a new environment without building it."""
    within = page.locator("#step-review" if page.locator("#step-review").is_visible() else "#step-define")
    within.get_by_label("Other ways to save").click()
    within.get_by_role("button", name="Create", exact=True).click()


def review_first(page: Page) -> None:
    """Open the review of a definition."""
    page.get_by_label("Other ways to save").click()
    page.get_by_role("button", name="Review first").click()
    expect(page.locator("#reviewed-head")).to_be_visible()


def axe_violations(page: Page, rules: Sequence[str] = (), without: Sequence[str] = ()) -> list[str]:
    """Return the violations that axe-core finds on a page, or outside of some elements; with `rules`, only of these."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE)
    options = {**OPTIONS, "runOnly": {"type": "rule", "values": rules}} if rules else OPTIONS
    looked_at = {"include": [["html"]], "exclude": [[element] for element in without]}
    result = page.evaluate("([where, options]) => axe.run(where, options)", [looked_at, options])
    return [
        f"{page.url}: {violation['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for violation in result["violations"]
        for node in violation["nodes"][:3]
        # The lines of a log are as high as their text: fewer of them would be seen otherwise.
        if not (violation["id"] == "target-size" and node["html"].startswith('<a href="#L'))
    ]
