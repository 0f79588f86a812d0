"""One page for a new environment: its name, its sources, its ways to save."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.backstage import ask
from tests.browser.visiting import axe_violations, create, editor_of, review_first
from tests.services.studio import Studio


def test_an_existing_name_turns_the_ways_to_save_into_those_of_its_next_version(
    olga: Page, studio: Studio
) -> None:
    ask(studio, "version", "lab", "exists", "six==1.15.0\n")
    olga.goto(f"{studio.url}/w/lab/new/")
    editor_of(olga).fill("six==1.16.0\n")
    name = olga.get_by_label("Name", exact=True)
    name.press_sequentially("exists")
    note = olga.locator("#name-note")
    expect(note).to_contain_text("exists already exists in Lab.")
    expect(note.get_by_role("link", name="exists")).to_have_attribute("href", "/w/lab/environments/exists/")
    expect(olga.get_by_role("button", name="Save as version 2 and build")).to_be_visible()
    expect(name).to_be_focused()
    assert axe_violations(olga) == []
    name.press_sequentially("-not")
    expect(note.get_by_role("link")).to_have_count(0)
    expect(olga.get_by_role("button", name="Create and build")).to_be_visible()
    name.fill("exists")
    note.get_by_role("button", name="Save as version 2").click()
    expect(olga.get_by_text("exists:2 is saved.")).to_be_visible()


def test_a_missing_name_is_typed_in_the_review_and_the_address_stays_clean(
    olga: Page, studio: Studio
) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    text = editor_of(olga)
    text.fill("six==1.16.0\n# named late\n")
    text.press("Control+Enter")
    name = olga.locator("#review-name")
    expect(name).to_be_focused()
    expect(olga.get_by_text("Name it: the definition has no name.")).to_be_visible()
    name.fill("named-late")
    create(olga)
    expect(olga.get_by_text("named-late:1 is saved.")).to_be_visible()
    assert "#" not in olga.url
    olga.go_back()
    expect(text).to_be_visible()


def test_enter_in_a_field_opens_the_review_and_saves_nothing(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    editor_of(olga).fill("six==1.16.0\n")
    olga.get_by_label("Name", exact=True).fill("entered")
    olga.get_by_label("Name", exact=True).press("Enter")
    expect(olga.get_by_role("heading", name="entered:1 will be created in Lab")).to_be_focused()


def test_packages_complete_are_checked_and_can_be_based_on_another_image(olga: Page, studio: Studio) -> None:
    ask(studio, "version", "lab", "on-another", "image: registry.example/ours:7\n")
    olga.goto(f"{studio.url}/w/lab/new/?source=packages")
    packages = olga.get_by_role("textbox", name="Packages").and_(olga.locator("[contenteditable]"))
    packages.press_sequentially("scikit-le")
    olga.get_by_role("option", name="scikit-learn").click()
    expect(packages).to_have_text("scikit-learn")
    unpinned = olga.locator("#finding-notes .finding", has_text="scikit-learn")
    olga.locator("#finding-notes > summary").click()
    unpinned.get_by_role("link", name="line 1").click()
    expect(packages).to_be_focused()
    other = olga.get_by_label("Reference of the other image")
    other.press_sequentially("ours")
    expect(olga.locator("#base-known option").first).to_have_attribute("value", "registry.example/ours:7")
    expect(olga.locator("#base-other")).to_be_checked()
    other.fill("registry.example/ours:7")
    expect(olga.locator("#review").get_by_text("registry.example/ours:7")).to_be_visible()
    olga.get_by_label("Name", exact=True).fill("picked-here")
    assert axe_violations(olga) == []
    review_first(olga)
    create(olga)
    expect(olga.get_by_text("picked-here:1 is saved.")).to_be_visible()


def test_picks_are_edited_as_yaml_with_the_same_name(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/?source=packages")
    olga.get_by_role("textbox", name="Packages").and_(olga.locator("[contenteditable]")).fill("six==1.16.0")
    olga.get_by_label("Name", exact=True).fill("as-yaml")
    olga.get_by_label("Other ways to save").click()
    olga.get_by_role("button", name="Edit as YAML").click()
    expect(editor_of(olga)).to_contain_text(re.compile("conda_file:.*six==1.16.0", re.DOTALL))
    expect(olga.get_by_label("Name", exact=True)).to_have_value("as-yaml")


def test_the_file_button_speaks_the_pages_language_and_is_reached_by_keyboard(
    olga: Page, studio: Studio, tmp_path: Path
) -> None:
    file = tmp_path / "context.zip"
    file.write_bytes(b"PK\5\6" + bytes(18))
    olga.goto(f"{studio.url}/w/lab/new/?source=context")
    field = olga.get_by_label("Choose a file")
    field.focus()
    assert field.bounding_box()["width"] <= 1  # type: ignore[index]
    expect(olga.locator("label.btn", has_text="Choose a file")).to_have_css("outline-style", "solid")
    field.set_input_files(file)
    expect(olga.locator("#dropped")).to_have_text("context.zip will be uploaded unchanged.")
