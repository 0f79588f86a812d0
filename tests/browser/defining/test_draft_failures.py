"""Saving that fails loses nothing; files and secrets are not kept; other forms have drafts too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.backstage import ask
from tests.browser.defining.drafting import (
    DRAFTS,
    KEPT,
    bar,
    expect_all,
    expect_kept,
    new_page,
    type_all,
)
from tests.browser.visiting import create, settled, sign_in_by_link
from tests.services.studio import Studio

# Failures


def test_a_studio_that_is_away_keeps_the_page_and_saving_again_works(olga: Page, studio: Studio) -> None:
    new_page(olga, studio)
    type_all(olga, "while-away")
    olga.route(re.compile("/new/"), lambda route: route.abort())
    create(olga)
    expect(olga.get_by_role("alert").filter(has_text="Not saved: can't reach the studio.")).to_be_visible()
    expect_all(olga, "while-away")
    olga.unroute(re.compile("/new/"))
    olga.get_by_role("button", name="Try again").click()
    expect(olga.get_by_text("while-away:1 is saved.")).to_be_visible()
    assert olga.evaluate(DRAFTS) == 0


REFUSALS = {
    500: "something went wrong on our side (error 500",
    502: "something went wrong on our side (error 502",
    413: "this is too large",
    409: "someone changed this in the meantime. Your text is kept. Taken: <b>by</b> another",
    429: "too many requests",
    404: "the studio rejected it (error 404)",
}


def test_refusals_keep_the_page_until_it_is_saved(olga: Page, studio: Studio) -> None:
    def refuse(status: int, route: Route) -> None:
        if route.request.method == "POST":
            conflict = "<main><div class='notice-error'>Taken: &lt;b&gt;by&lt;/b&gt;\n another</div></main>"
            route.fulfill(status=status, body=conflict if status == 409 else "no", content_type="text/html")
        else:
            route.continue_()

    new_page(olga, studio)
    type_all(olga, "refused")
    for status, sentence in REFUSALS.items():
        olga.route(re.compile("/new/"), partial(refuse, status))
        create(olga)
        expect(olga.get_by_role("alert").filter(has_text=sentence)).to_be_visible()
        expect_all(olga, "refused")
        assert olga.evaluate(DRAFTS) == 1
        olga.unroute(re.compile("/new/"))
    create(olga)
    expect(olga.get_by_text("refused:1 is saved.")).to_be_visible()


@pytest.mark.parametrize("where", ["here", "there"])
def test_an_expired_session_loses_nothing(olga: Page, studio: Studio, where: str) -> None:
    name = f"expired-{where}"
    new_page(olga, studio)
    type_all(olga, name)
    olga.context.clear_cookies(name="studio_session")
    create(olga)
    problem = olga.get_by_role("alert").filter(has_text="Not saved: you're signed out.")
    expect(problem).to_be_visible()
    expect(problem.get_by_role("link", name="Sign in")).to_have_attribute("target", "_blank")
    other = olga.context.new_page()
    sign_in_by_link(other, studio, "olga", "lab")
    page = olga
    if where == "there":
        page = other
        new_page(other, studio)
        other.get_by_role("button", name="Restore").click()
        expect_all(other, name)
        create(other)
    else:
        expect_all(olga, name)
        olga.get_by_role("button", name="Try again").click()
    expect(page.get_by_text(f"{name}:1 is saved.")).to_be_visible()
    version = page.locator("main")
    expect(version).to_contain_text("team=x")
    assert page.evaluate(DRAFTS) == 0


def test_another_user_who_signed_in_meanwhile_saves_nothing_of_it(olga: Page, studio: Studio) -> None:
    new_page(olga, studio)
    type_all(olga, "not-theirs")
    olga.context.clear_cookies(name="studio_session")
    create(olga)
    other = olga.context.new_page()
    sign_in_by_link(other, studio, "otto", "lab")
    olga.get_by_role("button", name="Try again").click()
    expect(olga.get_by_role("alert").filter(has_text="someone else has signed in here")).to_be_visible()
    expect_all(olga, "not-theirs")


def test_what_the_studio_refuses_comes_back_with_its_error_and_stays_a_draft(
    olga: Page, studio: Studio, dialogs: list[str]
) -> None:
    new_page(olga, studio)
    type_all(olga, "AzureML-mine")
    create(olga)
    expect(olga.locator("#hint_name.field-error")).to_be_visible()
    expect_all(olga, "AzureML-mine")
    expect(bar(olga)).to_have_count(0)
    assert dialogs == []
    assert olga.evaluate(DRAFTS) == 1
    olga.get_by_label("Name", exact=True).fill("mine-now")
    create(olga)
    expect(olga.get_by_text("mine-now:1 is saved.")).to_be_visible()
    assert olga.evaluate(DRAFTS) == 0


# Files and secrets


def test_files_are_named_and_not_kept(olga: Page, studio: Studio, dialogs: list[str], tmp_path: Path) -> None:
    file = tmp_path / "con “text”.zip"
    file.write_bytes(b"PK\3\4" + bytes(100))
    new_page(olga, studio, "?source=context")
    olga.locator("#id_file").set_input_files(file)
    olga.get_by_label("Name", exact=True).fill("with-file")
    expect_kept(olga, "con “text”.zip")
    olga.reload()
    assert dialogs == ["beforeunload"]
    expect(olga.get_by_label("Name", exact=True)).to_have_value("with-file")
    expect(bar(olga)).to_contain_text("Drafts don't keep files. Choose con “text”.zip again.")


def test_passwords_tokens_and_secrets_are_never_kept(olga: Page, studio: Studio) -> None:
    new_page(olga, studio)
    olga.evaluate(
        """() => {
          const form = document.createElement("form");
          form.dataset.draft = "secrets";
          form.innerHTML = `<input name="plain"><input name="password"><input name="a" type="password"><input name="token">
            <input name="webhook_secret"><input name="b" autocomplete="one-time-code"><input name="api-key">
            <input name="hidden" type="hidden"><span data-draft-never><textarea name="c"></textarea></span>`;
          Object.defineProperty(form.elements.b, "autocomplete", { value: "" }); // as in Firefox
          document.querySelector("main").append(form);
          document.dispatchEvent(new Event("htmx:afterSwap"));
          for (const field of form.elements) {
            field.value = `typed-${field.name}`;
            field.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }"""
    )
    expect_kept(olga, "typed-plain")
    kept = json.dumps(olga.evaluate(KEPT))
    assert re.findall(r"typed-[\w-]+", kept) == ["typed-plain"]


def test_files_beside_the_text_and_a_chosen_part_are_restored(
    olga: Page, studio: Studio, tmp_path: Path
) -> None:
    project = (
        '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["six==1.17.0"]\n'
    )
    project += '[project.optional-dependencies]\nplot = ["idna==3.7"]\n'
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "notes.txt").write_text("for later\n")
    new_page(olga, studio)
    olga.locator("#id_file").set_input_files([tmp_path / "pyproject.toml", tmp_path / "notes.txt"])
    expect(olga.locator("#beside")).to_contain_text("notes.txt")
    olga.get_by_label("plot").check()
    expect_kept(olga, "plot")
    other = olga.context.new_page()
    new_page(other, studio)
    other.get_by_role("button", name="Restore").click()
    expect(other.locator("#beside")).to_contain_text("notes.txt")
    expect(other.get_by_label("plot")).to_be_checked()
    assert other.locator("#id_filename").input_value() == "pyproject.toml"


# Other forms


def test_every_form_with_a_text_keeps_a_draft(olga: Page, studio: Studio) -> None:
    address = ask(studio, "version", "lab", "described", "six==1.16.0\n")
    forms: list[tuple[str, Callable[[Page], Locator]]] = [
        (f"{address}?edit=about", lambda page: page.get_by_label("Description")),
        ("/w/lab/settings/?tab=uploads", lambda page: page.get_by_label("Exceptions")),
        ("/w/lab/settings/?tab=general", lambda page: page.get_by_label("Title")),
    ]
    for path, field_of in forms:
        olga.goto(studio.url + path)
        field = field_of(olga)
        field.fill(f"typed at {path}")
        expect_kept(olga, f"typed at {path}")
        olga.get_by_role("link", name="Builds", exact=True).first.click()
        settled(olga.locator("h1", has_text="Builds"))
        olga.goto(studio.url + path)
        expect(field_of(olga)).to_have_value(f"typed at {path}")


def test_a_description_saved_in_its_page_leaves_no_draft_and_a_failure_does(
    olga: Page, studio: Studio
) -> None:
    address = ask(studio, "version", "lab", "described-here", "six==1.16.0\n")
    olga.goto(studio.url + address)
    olga.locator("#edit-about").click()
    olga.get_by_label("Description").fill("in place")
    expect_kept(olga, "in place")
    described = re.compile("/describe")
    requested: list[str] = []

    def drop(route: Route) -> None:
        requested.append(route.request.method)
        route.abort()

    olga.route(described, drop)
    olga.get_by_role("button", name="Save", exact=True).click()
    expect(olga.get_by_role("alert").filter(has_text="Try again when you are connected.")).to_be_visible()
    assert requested == ["POST"], "what changes something is not repeated"
    assert olga.evaluate(DRAFTS) == 1
    olga.unroute(described)
    olga.get_by_role("button", name="Save", exact=True).click()
    expect(olga.locator("#about")).to_contain_text("Saved.")
    olga.wait_for_function(f"() => {DRAFTS} === 0", polling=50)
