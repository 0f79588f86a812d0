"""Fixes of findings in a real browser: one click changes the text, one undo takes it back."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.backstage import ask
from tests.browser.visiting import editor_of
from tests.services.studio import Studio

BROKEN = "# ours\nnumpy=1.26.4\nuvicorn[standard]==0.30.1  # é \U0001f600\nhttpx=0.27.0\nscipy 1.11\n--prefer-binary\n"


def value(page: Page) -> str:
    return page.locator("#id_text").input_value()


def test_a_click_fixes_a_line_and_one_undo_takes_it_back(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    editor_of(olga).fill(BROKEN)
    review = olga.locator("#review")
    review.get_by_role("button", name="Change to numpy==1.26.4").click()
    assert value(olga) == BROKEN.replace("numpy=1", "numpy==1")
    expect(editor_of(olga)).to_be_focused()
    expect(review.get_by_role("button", name="Change to numpy==1.26.4")).to_have_count(0)
    olga.keyboard.press("Control+z")
    assert value(olga) == BROKEN


def test_all_safe_fixes_are_one_change(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    editor_of(olga).fill(BROKEN)
    olga.get_by_role("button", name="Fix all safe (2)").click()
    assert value(olga) == BROKEN.replace("numpy=1", "numpy==1").replace("httpx=0", "httpx==0")
    olga.keyboard.press("Control+z")
    assert value(olga) == BROKEN


def test_a_half_written_line_is_marked_once_the_cursor_leaves_it(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    text = editor_of(olga)
    text.fill("flask==3.0.0\n")
    text.press_sequentially("scipy=>1.")
    review = olga.locator("#review")
    expect(review.get_by_text("Line 2 is checked when you leave it.")).to_be_visible()
    expect(review.get_by_text("Fix 1 error to save.")).to_have_count(0)
    expect(olga.locator(".cm-lint-marker-error")).to_have_count(0)
    text.press("ArrowUp")
    expect(review.get_by_text("Fix 1 error to save.")).to_be_visible()
    expect(olga.locator(".cm-lint-marker-error")).to_have_count(1)


def test_folded_notes_stay_open_while_a_text_is_typed(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    text = editor_of(olga)
    text.fill("flask\n")
    notes = olga.locator("#finding-notes")
    notes.locator("summary").click()
    expect(notes.get_by_text("flask isn't pinned.")).to_be_visible()
    text.press("End")
    text.press_sequentially("httpx")
    expect(notes.get_by_text("httpx isn't pinned.")).to_be_visible()


def test_ignoring_a_finding_while_the_studio_is_away_says_so(olga: Page, studio: Studio) -> None:
    address = ask(studio, "version", "lab", "unpinned", "flask\n")
    olga.goto(f"{studio.url}{address}edit/")
    notes = olga.locator("#finding-notes")
    notes.locator("summary").click()
    olga.route(re.compile("/ignore"), lambda route: route.abort())
    notes.get_by_role("button", name="Ignore in this environment").first.click()
    expect(olga.get_by_role("alert").filter(has_text="Can't reach the studio.")).to_be_visible()
    expect(notes.get_by_text("flask isn't pinned.")).to_be_visible()
