"""Defining an environment from a project in a real browser: several files, and the part of it to read."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.visiting import create, editor_of, review_first
from tests.services.studio import Studio

DROP = """files => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) transfer.items.add(new File([text], name));
  const target = document.querySelector("[data-drop]");
  for (const kind of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def test_two_dropped_files_are_read_together_and_edited_together_later(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    text, review = editor_of(olga), olga.locator("#review")
    text.fill("six==1.0\n")
    files = [["base.txt", "packaging==24.2\n"], ["requirements.txt", "-r base.txt\nsix==1.17.0\n"]]
    olga.evaluate(DROP, files)
    expect(review.get_by_text("0 conda, 2 pip")).to_be_visible()
    expect(olga.get_by_role("group", name="Other files")).to_contain_text("base.txt")
    expect(text).to_contain_text("-r base.txt")
    olga.get_by_label("Name", exact=True).fill("two-files")
    review_first(olga)
    create(olga)
    expect(olga.get_by_text("two-files:1 is saved.")).to_be_visible()

    olga.goto(f"{studio.url}/w/lab/environments/two-files/versions/1/edit/")
    text.press("Control+End")
    text.press_sequentially("attrs==25.3.0\n")
    expect(review.get_by_text("0 conda, 3 pip")).to_be_visible()
    # A file of the same name replaces what is held.
    olga.evaluate(DROP, [["base.txt", "packaging==25.0\nzipp==3.23.0\n"]])
    expect(review.get_by_text("0 conda, 4 pip")).to_be_visible()
    olga.get_by_role("group", name="Other files").get_by_label("base.txt").uncheck()
    expect(review.get_by_text("file-missing")).to_be_visible()


def test_files_that_are_no_texts_are_sent_until_a_text_is_written(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    review = olga.locator("#review")
    olga.evaluate(DROP, [["Dockerfile", "FROM debian:12\nCOPY a.bin .\n"], ["a.bin", "\0"]])
    expect(olga.get_by_text("These files will be uploaded unchanged: Dockerfile, a.bin.")).to_be_visible()
    expect(review.locator("dt", has_text="Context files")).to_be_visible()
    editor_of(olga).press_sequentially("six==1.17.0")
    expect(review.get_by_text("0 conda, 1 pip")).to_be_visible()
    expect(olga.get_by_text("These files will be uploaded unchanged")).to_be_hidden()


PROJECT = """[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["packaging==24.2"]

[project.optional-dependencies]
plots = ["six==1.17.0"]
docs = ["attrs==25.3.0"]
"""


def test_an_extra_of_a_project_is_chosen_reviewed_and_recorded(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    olga.evaluate(DROP, [["pyproject.toml", PROJECT]])
    review, part = olga.locator("#review"), olga.get_by_role("region", name="Part of the project")
    expect(review.get_by_text("0 conda, 1 pip")).to_be_visible()
    part.get_by_label("plots").check()
    expect(review.get_by_text("0 conda, 2 pip")).to_be_visible()
    expect(part.get_by_label("plots")).to_be_focused()
    review_first(olga)
    expect(olga.get_by_role("heading", name="shop:1 will be created in Lab")).to_be_visible()
    create(olga)
    expect(olga.get_by_text("shop:1 is saved.")).to_be_visible()

    olga.get_by_role("link", name="Context").click()
    expect(olga.get_by_role("region", name="Read from the project")).to_contain_text("plots")
    expect(part.get_by_label("plots")).to_be_checked()
    # A text that cannot be read for a moment keeps the choice; another project begins without it.
    editor_of(olga).press("Control+Home")
    olga.keyboard.type("[")
    expect(review.get_by_text("Line 1 is checked when you leave it.")).to_be_visible()
    olga.keyboard.press("ArrowDown")
    expect(review.locator(".finding", has_text="TOML")).to_be_visible()
    expect(part.get_by_label("plots")).to_be_checked()
    olga.evaluate(DROP, [["requirements.txt", "six==1.17.0\n"]])
    expect(part).to_be_hidden()
    expect(review.get_by_text("0 conda, 1 pip")).to_be_visible()
