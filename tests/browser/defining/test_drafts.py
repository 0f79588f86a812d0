"""Drafts in a real browser: leaving and coming back, other users and windows, files, secrets and other forms."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.backstage import ask
from tests.browser.defining.drafting import (
    DRAFTS,
    KEPT,
    TEXT,
    accept_dialogs,
    bar,
    expect_all,
    expect_kept,
    new_page,
    type_all,
)
from tests.browser.visiting import axe_violations, create, editor_of, settled, sign_in, sign_in_by_link
from tests.services.studio import Studio

# Leaving and coming back


def test_another_tab_of_the_environment_and_back_keeps_the_text(
    olga: Page, studio: Studio, dialogs: list[str]
) -> None:
    address = ask(studio, "version", "lab", "drafted-context", "six==1.15.0\n")
    olga.goto(f"{studio.url}{address}?tab=context")
    editor_of(olga).fill(TEXT)
    expect_kept(olga, "mine")
    olga.get_by_role("link", name=re.compile("^Versions")).click()
    expect(editor_of(olga)).to_be_hidden()
    olga.get_by_role("link", name="Context").click()
    expect(bar(olga)).to_contain_text("Your draft from")
    expect(editor_of(olga)).to_contain_text("“mine” <b>&amp;")
    expect(olga.locator("#review").get_by_text("0 conda, 1 pip")).to_be_visible()
    assert dialogs == []
    # The page to edit it has the same draft, and saving it leaves none.
    olga.goto(f"{studio.url}{address}edit/")
    expect(editor_of(olga)).to_contain_text("“mine” <b>&amp;")
    olga.get_by_label("Other ways to save").click()
    olga.get_by_role("button", name="Save", exact=True).click()
    expect(olga.get_by_text("drafted-context:2 is saved.")).to_be_visible()
    assert olga.evaluate(DRAFTS) == 0


def test_another_source_and_back_keeps_text_name_and_tags(
    olga: Page, studio: Studio, dialogs: list[str]
) -> None:
    new_page(olga, studio)
    type_all(olga, "of-sources")
    olga.get_by_role("link", name="Dockerfile").click()
    expect(olga.get_by_label("Tags")).to_have_value("")
    olga.get_by_role("link", name="Paste or upload").click()
    expect_all(olga, "of-sources")
    assert dialogs == []
    olga.get_by_role("button", name="Discard").click()
    expect(olga.get_by_label("Name", exact=True)).to_have_value("")
    assert olga.locator("#id_text").input_value() == ""
    assert olga.evaluate(DRAFTS) == 0


def test_a_reload_is_warned_of_and_keeps_all(olga: Page, studio: Studio, dialogs: list[str]) -> None:
    new_page(olga, studio)
    type_all(olga, "reloaded")
    olga.reload()
    expect_all(olga, "reloaded")
    assert dialogs == ["beforeunload"]
    assert axe_violations(olga) == []


def test_closing_is_warned_of_and_a_new_window_offers_the_draft(
    olga: Page, studio: Studio, dialogs: list[str]
) -> None:
    new_page(olga, studio)
    type_all(olga, "closed")
    other = olga.context.new_page()
    with olga.expect_event("close"):
        olga.close(run_before_unload=True)
    assert dialogs == ["beforeunload"]
    new_page(other, studio)
    expect(bar(other)).to_contain_text(re.compile(r"^\s*Draft from \d\d:\d\d\."))
    expect(other.get_by_label("Name", exact=True)).to_have_value("")
    other.get_by_role("button", name="Restore").click()
    expect_all(other, "closed")
    expect(other.locator("#review").get_by_text("0 conda, 1 pip")).to_be_visible()


def test_nothing_typed_warns_of_nothing_and_keeps_nothing(
    olga: Page, studio: Studio, dialogs: list[str]
) -> None:
    new_page(olga, studio)
    name = olga.get_by_label("Name", exact=True)
    name.fill("x")
    expect_kept(olga, '"x"')
    name.fill("")
    olga.wait_for_function(f"() => {DRAFTS} === 0", polling=50)
    olga.reload()
    assert dialogs == []
    expect(bar(olga)).to_have_count(0)


def test_cancel_offers_the_draft_next_time(olga: Page, studio: Studio, dialogs: list[str]) -> None:
    new_page(olga, studio)
    type_all(olga, "cancelled")
    olga.get_by_role("link", name="Cancel").click()
    settled(olga.get_by_role("heading", name="Environments", exact=True))
    new_page(olga, studio)
    expect(olga.get_by_label("Name", exact=True)).to_have_value("")
    olga.get_by_role("button", name="Restore").click()
    expect_all(olga, "cancelled")
    assert dialogs == []


# Users, windows, versions and storage


def test_two_windows_keep_a_draft_each(olga: Page, studio: Studio) -> None:
    new_page(olga, studio)
    type_all(olga, "first-window")
    other = olga.context.new_page()
    new_page(other, studio)
    expect(bar(other)).to_contain_text("Draft from")
    other.get_by_label("Name", exact=True).fill("second-window")
    expect_kept(other, "second-window")
    assert other.evaluate(DRAFTS) == 2
    create(olga)
    expect(olga.get_by_text("first-window:1 is saved.")).to_be_visible()
    assert "second-window" in json.dumps(olga.evaluate(KEPT))
    assert olga.evaluate(DRAFTS) == 1
    other.reload()
    expect(other.get_by_label("Name", exact=True)).to_have_value("second-window")


def test_restoring_keeps_what_was_typed_meanwhile_as_a_draft(olga: Page, studio: Studio) -> None:
    new_page(olga, studio)
    type_all(olga, "older")
    other = olga.context.new_page()
    new_page(other, studio)
    other.get_by_label("Name", exact=True).fill("newer")
    other.get_by_role("button", name="Restore").click()
    expect_all(other, "older")
    other.get_by_role("button", name="Restore").click()
    expect(other.get_by_label("Name", exact=True)).to_have_value("newer")


def test_another_user_of_the_browser_sees_no_draft(olga: Page, studio: Studio) -> None:
    new_page(olga, studio)
    type_all(olga, "of-olga")
    olga.context.clear_cookies()
    other = olga.context.new_page()
    sign_in_by_link(other, studio, "otto", "lab")
    new_page(other, studio)
    expect(other.get_by_label("Name", exact=True)).to_have_value("")
    expect(bar(other)).to_have_count(0)
    assert other.evaluate(DRAFTS) == 1  # hers, for when she comes back


def test_signing_out_removes_drafts_also_those_of_other_windows(
    olga: Page, studio: Studio, dialogs: list[str]
) -> None:
    new_page(olga, studio)
    type_all(olga, "signed-out")
    other = olga.context.new_page()
    other.goto(f"{studio.url}/w/lab/builds/")
    other.locator("#account-menu summary").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    olga.get_by_label("Name", exact=True).fill("typed after")
    olga.goto(f"{studio.url}/login/")
    assert other.evaluate(DRAFTS) == 0
    sign_in_by_link(other, studio, "olga", "lab")
    new_page(other, studio)
    expect(bar(other)).to_have_count(0)
    # From then on drafts are kept again.
    other.get_by_label("Name", exact=True).fill("again")
    expect_kept(other, "again")


def test_a_draft_of_an_older_version_says_that_a_newer_version_was_saved(olga: Page, studio: Studio) -> None:
    address = ask(studio, "version", "lab", "overtaken", "six==1.15.0\n")
    olga.goto(f"{studio.url}{address}edit/")
    editor_of(olga).fill(TEXT)
    expect_kept(olga, "mine")
    newer = ask(studio, "version", "lab", "overtaken", "six==1.17.0\n")
    for page in (address, newer):
        olga.goto(f"{studio.url}{page}edit/")
        expect(bar(olga)).to_contain_text(
            re.compile(r"Draft from \d\d:\d\d, based on overtaken:1\. overtaken:2 was saved since\.")
        )
        expect(editor_of(olga)).not_to_contain_text("mine")
    olga.get_by_role("button", name="Restore").click()
    expect(editor_of(olga)).to_contain_text("“mine”")


def test_old_and_broken_drafts_go(olga: Page, studio: Studio) -> None:
    new_page(olga, studio)
    type_all(olga, "aged")
    olga.evaluate(
        f"""() => {{
          for (const [name, text] of {KEPT}) {{
            localStorage.setItem(name + "x", text.replace(/"at":\\d+/, `"at":${{Date.now() - 31 * 86400000}}`));
            localStorage.setItem(name.replace(/:[^:]*-[^:]*:/, ":0-1:"), '{{"at":9999999999999,"fields":[[');
            localStorage.setItem(name.replace(/:[^:]*-[^:]*:/, ":0-2:"), '{{"at":9999999999999,"fields":{{"a":1}}}}');
          }}
        }}"""
    )
    other = olga.context.new_page()
    new_page(other, studio)
    other.get_by_role("button", name="Restore").click()
    expect_all(other, "aged")
    expect(bar(other)).not_to_contain_text("Draft from")


OFF = """Object.defineProperty(window, "localStorage", { get() { throw new DOMException("off", "SecurityError"); } })"""
FULL = """Storage.prototype.setItem = function () { throw new DOMException("full", "QuotaExceededError"); }"""


@pytest.mark.parametrize("script", [OFF, FULL], ids=["off", "full"])
def test_without_storage_a_user_is_warned_and_can_save(own_page: Page, studio: Studio, script: str) -> None:
    olga = own_page
    sign_in(olga, studio, "olga", "lab")
    olga.add_init_script(script)
    new_page(olga, studio)
    editor_of(olga).fill(TEXT)
    expect(bar(olga)).to_contain_text("This browser can't keep a draft")
    with accept_dialogs(olga) as dialogs:
        olga.get_by_role("link", name="Dockerfile").click()
        settled(olga.get_by_label("Tags"))
    assert dialogs == ["beforeunload"]  # a link loses it as well
    name = f"unkept-{len(script)}"
    new_page(olga, studio)
    editor_of(olga).fill(TEXT)
    olga.get_by_label("Name", exact=True).fill(name)
    create(olga)
    expect(olga.get_by_text(f"{name}:1 is saved.")).to_be_visible()


def test_a_text_of_a_megabyte_is_kept_and_restored(olga: Page, studio: Studio) -> None:
    new_page(olga, studio)
    large = "# åäö 0123456789\n" * 62_000
    assert len(large) > 1_000_000
    olga.evaluate("text => document.getElementById('id_text').editor.set(text)", large)
    olga.get_by_label("Name", exact=True).fill("large")
    expect_kept(olga, '"large"')
    other = olga.context.new_page()
    new_page(other, studio)
    other.get_by_role("button", name="Restore").click()
    expect(other.get_by_label("Name", exact=True)).to_have_value("large")
    assert other.locator("#id_text").input_value() == large
