"""Defining an environment in a real browser: the editor, what it marks, completes and keeps."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.visiting import create, editor_of
from tests.services.studio import Studio


def test_a_broken_paste_is_marked_in_its_line_mended_reviewed_and_created(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    text = editor_of(olga)
    text.fill("channels: [conda-forge]\ndependencies:\n  - numpy\n  - numpy\n <<<<<<< mine\n")
    review = olga.locator("#review")
    expect(review.get_by_text(re.compile(r"Fix \d+ errors? to save"))).to_be_visible()
    expect(olga.locator(".cm-lint-marker-error")).to_have_count(1)
    review.get_by_role("link", name="line 5").click()
    expect(text).to_be_focused()
    assert olga.evaluate("getSelection().toString()") == " <<<<<<< mine"
    olga.get_by_label("Name", exact=True).fill("pasted")
    olga.get_by_label("Description").fill("My own words")
    olga.get_by_label("Other ways to save").click()
    olga.get_by_role("button", name="Review first").click()
    expect(olga.get_by_role("heading", name="Not ready to save")).to_be_visible()
    olga.get_by_role("button", name="Back").click()

    text.fill("packaging==24.2\n")
    expect(review.get_by_text(re.compile(r"Fix \d+ errors? to save"))).to_be_hidden()
    expect(olga.locator(".cm-lint-marker-error")).to_have_count(0)
    text.press("Control+Enter")
    expect(olga.get_by_role("heading", name="pasted:1 will be created in Lab")).to_be_focused()
    expect(text).to_be_hidden()
    olga.go_back()
    expect(text).to_have_text("packaging==24.2")
    text.press("Control+Enter")
    expect(olga.locator("#reviewed-head")).to_be_focused()
    create(olga)
    expect(olga).to_have_url(re.compile(r"/environments/pasted/versions/1/$"))
    expect(olga.get_by_role("heading", name="pasted", exact=True)).to_be_visible()
    expect(olga.get_by_text("pasted:1 is saved.")).to_be_visible()
    expect(olga.get_by_text("My own words")).to_be_visible()


def test_the_editor_completes_indents_and_lets_the_keyboard_out(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    text = editor_of(olga)
    text.press_sequentially("scikit-le")
    olga.get_by_role("option", name="scikit-learn").click()
    expect(text).to_have_text("scikit-learn")
    text.press("Tab")
    expect(text).to_be_focused()
    assert olga.locator("#id_text").input_value() == "  scikit-learn"
    text.press("Escape")
    text.press("Tab")
    expect(text).not_to_be_focused()


def test_who_writes_before_the_editor_is_there_writes_on_in_it(olga: Page, studio: Studio) -> None:
    held: list[Route] = []
    olga.route(re.compile(r"/editor[^/]*\.js"), lambda route: held.append(route))
    olga.goto(f"{studio.url}/w/lab/new/", wait_until="commit")
    field = olga.locator("#id_text")
    field.press_sequentially("six=1.0")
    field.press("Home")
    for _ in "six":
        field.press("ArrowRight")
    with olga.expect_response(lambda response: "/editor" in response.url):
        held[0].continue_()
    expect(editor_of(olga)).to_be_focused()
    olga.keyboard.type("=")
    expect(editor_of(olga)).to_contain_text("six==1.0")


def test_a_chosen_text_file_becomes_the_text(olga: Page, studio: Studio, tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    file.write_text("name: from-a-file\nchannels: [conda-forge]\ndependencies: [python=3.12, numpy=2.1]\n")
    olga.goto(f"{studio.url}/w/lab/new/")
    olga.get_by_label("Upload files").set_input_files(file)
    expect(editor_of(olga)).to_contain_text("from-a-file")
    expect(olga.locator("#review").get_by_text("2 conda, 0 pip")).to_be_visible()


def test_what_is_written_over_coloured_words_does_not_keep_their_colour(olga: Page, studio: Studio) -> None:
    """As inline styles, which the page's policy refuses: the fixture would tell."""
    olga.goto(f"{studio.url}/w/lab/new/")
    # The editor gets no selection event, as when a user types before the browser reports the change.
    olga.evaluate("addEventListener('selectionchange', (event) => event.stopImmediatePropagation(), true)")
    text = editor_of(olga)
    for definition in (
        "channels: [conda-forge]\ndependencies:\n  - numpy=2\n",
        "dependencies:\n  - six\n",
        "six\n",
    ):
        text.fill(definition)
        assert olga.locator("#id_text").input_value() == definition
    text.press("Control+a")
    text.press("x")
    assert olga.locator("#id_text").input_value() == "x"


def test_a_check_that_the_browser_drops_is_sent_again(olga: Page, studio: Studio) -> None:
    # As Chromium does whenever a network of the machine comes or goes, such as a VPN or a container's.
    olga.goto(f"{studio.url}/w/lab/new/")
    dropped: list[str] = []

    def drop(route: Route) -> None:
        dropped.append(route.request.url)
        route.abort("failed")

    olga.route(re.compile("/check$"), drop, times=1)
    editor_of(olga).press_sequentially("six==1.17.0")
    expect(olga.locator("#review").get_by_text("0 conda, 1 pip")).to_be_visible()
    expect(olga.locator("#trouble")).to_be_hidden()
    assert dropped, "the check was requested elsewhere"
