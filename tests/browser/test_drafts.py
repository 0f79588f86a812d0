"""What is typed is not lost: drafts in a real browser, over leaving, closing, failures and other users."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Locator, Page, Route, expect

from tests.browser.backstage import ask
from tests.browser.visiting import axe_violations, editor_of, settled, sign_in
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
    page.wait_for_function(f"text => {KEPT}.some(([, draft]) => draft.includes(text))", arg=text)


def expect_all(page: Page, name: str) -> None:
    """Expect the text, the name and the tags in the form."""
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    expect(page.get_by_label("Tags")).to_have_value("team=x, gpu")
    assert page.locator("#id_text").input_value() == TEXT
    expect(editor_of(page)).to_contain_text("“mine” <b>&amp;")


def bar(page: Page) -> Locator:
    return page.locator(".draft-bar")


def create(page: Page) -> None:
    page.get_by_label("Other ways to save").click()
    page.get_by_role("button", name="Create", exact=True).click()


@pytest.fixture
def dialogs(olga: Page) -> list[str]:
    """The kinds of the dialogs that the page has opened; each is accepted."""
    opened: list[str] = []

    def accept(dialog: Dialog) -> None:
        opened.append(dialog.type)
        dialog.accept()

    olga.on("dialog", accept)
    return opened


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
    olga.wait_for_function(f"() => {DRAFTS} === 0")
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


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (500, "something went wrong on our side (error 500"),
        (502, "something went wrong on our side (error 502"),
        (413, "this is too large"),
        (409, "someone changed this in the meantime. Your text is kept. Taken: <b>by</b> another"),
        (429, "too many requests"),
        (404, "the studio rejected it (error 404)"),
    ],
)
def test_a_refusal_keeps_the_page(olga: Page, studio: Studio, status: int, sentence: str) -> None:
    page = (
        "<main><div class='notice-error'>Taken: &lt;b&gt;by&lt;/b&gt;\n another</div></main>"
        if status == 409
        else "no"
    )

    def refuse(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=status, body=page, content_type="text/html")
        else:
            route.continue_()

    new_page(olga, studio)
    type_all(olga, f"refused-{status}")
    olga.route(re.compile("/new/"), refuse)
    create(olga)
    expect(olga.get_by_role("alert").filter(has_text=sentence)).to_be_visible()
    expect_all(olga, f"refused-{status}")
    assert olga.evaluate(DRAFTS) == 1
    olga.unroute(re.compile("/new/"))
    create(olga)
    expect(olga.get_by_text(f"refused-{status}:1 is saved.")).to_be_visible()


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
    sign_in(other, studio, "olga", "lab")
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
    sign_in(other, studio, "otto", "lab")
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


# Whose drafts, which, and how long


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
    sign_in(other, studio, "otto", "lab")
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
    other.locator("details.menu-end summary").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    olga.get_by_label("Name", exact=True).fill("typed after")
    olga.goto(f"{studio.url}/login/")
    assert other.evaluate(DRAFTS) == 0
    sign_in(other, studio, "olga", "lab")
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
def test_without_storage_a_user_is_warned_and_can_save(
    olga: Page, studio: Studio, dialogs: list[str], script: str
) -> None:
    olga.add_init_script(script)
    new_page(olga, studio)
    editor_of(olga).fill(TEXT)
    expect(bar(olga)).to_contain_text("This browser can't keep a draft")
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


# Files and secrets


def test_files_are_named_and_not_kept(
    olga: Page, studio: Studio, dialogs: list[str], tmp_path: Path
) -> None:
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
    project = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["six==1.17.0"]\n'
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


def test_a_description_saved_in_its_page_leaves_no_draft_and_a_failure_does(olga: Page, studio: Studio) -> None:
    address = ask(studio, "version", "lab", "described-here", "six==1.16.0\n")
    olga.goto(studio.url + address)
    olga.locator("#edit-about").click()
    olga.get_by_label("Description").fill("in place")
    expect_kept(olga, "in place")
    described = re.compile("/describe")
    olga.route(described, lambda route: route.abort())
    olga.get_by_role("button", name="Save", exact=True).click()
    expect(olga.get_by_role("alert").filter(has_text="The studio cannot be reached.")).to_be_visible()
    assert olga.evaluate(DRAFTS) == 1
    olga.unroute(described)
    olga.get_by_role("button", name="Save", exact=True).click()
    expect(olga.locator("#about")).to_contain_text("Saved.")
    olga.wait_for_function(f"() => {DRAFTS} === 0")


