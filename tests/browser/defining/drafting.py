"""Type into a new environment, and look at the drafts that the browser keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Dialog, Locator, Page, expect

from tests.browser.visiting import editor_of, settled
from tests.services.studio import Studio

TEXT = "six==1.16.0\n# “mine” <b>&amp;\n"
KEPT = "Object.entries(localStorage).filter(([name]) => name.startsWith('studio:draft:'))"
DRAFTS = f"{KEPT}.length"


def new_page(page: Page, studio: Studio, query: str = "") -> None:
    page.goto(f"{studio.url}/w/lab/new/{query}")
    settled(page.get_by_role("heading", name="New environment"))


def type_all(page: Page, name: str) -> None:
    """Type a text, a name and tags, and wait until they are kept."""
    editor_of(page).fill(TEXT)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Tags").fill("team=x, gpu")
    expect_kept(page, "team=x, gpu")


def expect_kept(page: Page, text: str) -> None:
    # By default it looks before each picture, and pictures are drawn for it.
    page.wait_for_function(f"text => {KEPT}.some(([, draft]) => draft.includes(text))", arg=text, polling=50)


def expect_all(page: Page, name: str) -> None:
    """Expect the text, the name and the tags in the form."""
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    expect(page.get_by_label("Tags")).to_have_value("team=x, gpu")
    assert page.locator("#id_text").input_value() == TEXT
    expect(editor_of(page)).to_contain_text("“mine” <b>&amp;")


def bar(page: Page) -> Locator:
    return page.locator(".draft-bar")


@contextmanager
def accept_dialogs(page: Page) -> Iterator[list[str]]:
    """Accept every dialog of a page; give the list that their kinds are added to."""
    opened: list[str] = []

    def accept(dialog: Dialog) -> None:
        opened.append(dialog.type)
        dialog.accept()

    page.on("dialog", accept)
    yield opened
    page.remove_listener("dialog", accept)
