"""Coming to a studio in a browser, and looking at its pages with axe-core."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.backstage import ask
from tests.services.studio import Studio

AXE = Path(__file__).with_name("axe.min.js").read_text()
# What can be touched is large enough, as WCAG 2.2 wants it: axe leaves that out unless it is asked.
OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
LONG = (
    "a-name-that-somebody-generated.from-a-branch.feature-JIRA-12345-retrain-all-of-the-models-" + "x" * 100
)


def sign_in(page: Page, studio: Studio, name: str, workspace: str) -> None:
    """Sign in by a one-time link, as an owner of the workspace."""
    page.goto(studio.url + ask(studio, "link", name, workspace))
    page.get_by_role("button", name=f"Sign in as {name}").click()
    settled(page.get_by_role("heading", name="Environments", exact=True))


def settled(shown: Locator) -> None:
    """Return when this is seen on a page whose scripts have run: before that, a click goes past them."""
    expect(shown).to_be_visible()
    shown.page.wait_for_load_state("load")


def editor_of(page: Page) -> Locator:
    """Return the editor of a definition, which a script puts in the place of a text field as soon as it runs."""
    return page.get_by_role("textbox", name="Definition").and_(page.locator("[contenteditable]"))


def found_by_axe(page: Page) -> list[str]:
    """Return what axe-core has to say about a page."""
    page.evaluate(AXE)
    result = page.evaluate("options => axe.run(document, options)", OPTIONS)
    return [
        f"{page.url}: {violation['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for violation in result["violations"]
        for node in violation["nodes"][:3]
        # The lines of a log are as high as their text: fewer of them would be seen otherwise.
        if not (violation["id"] == "target-size" and node["html"].startswith('<a href="#L'))
    ]
