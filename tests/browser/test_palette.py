"""The palette and the list's choices, as only a browser shows them: keys, focus, options, and what a screen reader is given."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.backstage import ask
from tests.browser.visiting import axe_violations, editor_of, settled, sign_in
from tests.services.studio import Studio


def test_ctrl_k_finds_an_environment_and_enter_opens_it(olga: Page, studio: Studio) -> None:
    ask(studio, "version", "lab", "palette-first", "six==1.16.0\n")
    ask(studio, "version", "lab", "palette-second", "six==1.16.0\n")
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.keyboard.press("Control+k")
    field = olga.get_by_role("combobox", name="Search or run a command")
    expect(field).to_be_focused()
    expect(olga.get_by_role("option", name="New environment", exact=True)).to_be_visible()
    olga.keyboard.type("palette-")
    options = olga.get_by_role("group", name="Environments").get_by_role("option")
    expect(options).to_have_count(2)
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-expanded", "true")
    olga.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", str(options.nth(1).get_attribute("id")))
    expect(field).to_be_focused()
    expect(olga.locator("#palette-status")).to_contain_text("result")
    assert axe_violations(olga) == []
    name = options.nth(1).locator(".palette-title").inner_text()
    olga.keyboard.press("Enter")
    expect(olga).to_have_url(f"{studio.url}/w/lab/environments/{name}/")
    settled(olga.get_by_role("heading", name=name, exact=True))  # by then, its visit is recorded
    # A visited environment is offered first the next time, and Escape closes the palette.
    olga.goto(f"{studio.url}/w/lab/builds/")
    olga.keyboard.press("Control+k")
    expect(olga.get_by_role("group", name="Recent").get_by_role("option", name=name)).to_be_visible()
    olga.keyboard.press("Escape")
    expect(field).to_be_hidden()


def test_enter_waits_for_the_results_of_what_is_typed(olga: Page, studio: Studio) -> None:
    ask(studio, "version", "lab", "typed-fast", "six==1.16.0\n")
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.keyboard.press("Control+k")
    olga.keyboard.type("typed-fast")
    olga.keyboard.press("Enter")
    expect(olga).to_have_url(f"{studio.url}/w/lab/environments/typed-fast/")


def test_commands_switch_the_theme_and_sign_out(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.keyboard.press("Control+k")
    olga.keyboard.type("dark theme")
    expect(olga.get_by_role("option", name="Dark theme")).to_have_attribute("aria-selected", "true")
    with olga.expect_response(lambda response: response.url.endswith("/theme/")):
        olga.keyboard.press("Enter")
    expect(olga.locator("html")).to_have_attribute("data-bs-theme", "dark")
    olga.keyboard.press("Control+k")
    olga.keyboard.type("sign out")
    expect(olga.get_by_role("option", name="Sign out")).to_be_visible()
    olga.keyboard.press("Enter")
    expect(olga).to_have_url(re.compile("/login/"))


def test_the_top_bars_field_opens_the_palette_with_what_is_typed(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.locator("#search").press_sequentially("b")
    field = olga.get_by_role("combobox", name="Search or run a command")
    expect(field).to_be_focused()
    olga.keyboard.type("uilds")
    expect(field).to_have_value("builds")
    expect(olga.get_by_role("option", name="Builds")).to_be_visible()
    olga.get_by_role("button", name="Close", exact=True).click()
    expect(field).to_be_hidden()


def test_a_search_that_cannot_be_reached_says_so(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.route("**/search/?*", lambda route: route.abort())
    olga.keyboard.press("Control+k")
    expect(olga.locator("#palette-status")).to_have_text("The search can't be reached.")


def test_names_that_are_markup_stay_text_in_the_palette(olga: Page, studio: Studio) -> None:
    ask(studio, "version", "lab", "img", "# <img src=x onerror=alert(1)>\nsix==1.16.0\n")
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.evaluate("localStorage.setItem(Object.keys(localStorage)[0] || 'studio-recent:1', '{broken')")
    olga.keyboard.press("Control+k")
    olga.keyboard.type("<img src=x")
    expect(olga.locator("#palette-status")).not_to_be_empty()
    expect(olga.locator("#palette img")).to_have_count(0)


def test_without_scripts_the_field_leads_to_the_search_page(
    browser: Browser, olga: Page, studio: Studio
) -> None:
    ask(studio, "version", "lab", "scriptless", "six==1.16.0\n")
    other = browser.new_context(storage_state=olga.context.storage_state(), java_script_enabled=False)
    plain = other.new_page()
    plain.goto(f"{studio.url}/w/lab/environments/")
    plain.locator("#search").fill("scriptless")
    plain.locator("#search").press("Enter")
    plain.get_by_role("link", name="scriptless", exact=True).click()
    expect(plain).to_have_url(f"{studio.url}/w/lab/environments/scriptless/")
    plain.goto(f"{studio.url}/w/lab/environments/")
    expect(plain.get_by_role("button", name="Search", exact=True)).to_be_visible()
    other.close()


def test_the_compare_button_says_what_it_needs_and_all_rows_are_selected_and_cleared(
    olga: Page, studio: Studio
) -> None:
    for name in ("choose-one", "choose-two", "choose-three"):
        ask(studio, "version", "lab", name, f"six==1.16.0\n# {name}\n")
    olga.goto(f"{studio.url}/w/lab/environments/?q=choose-")
    settled(olga.locator("#environments"))
    boxes = olga.locator("#environments .choose")
    compare = olga.locator("#environments").get_by_role("button", name="Compare")
    boxes.nth(0).check()
    expect(compare).to_have_attribute("aria-disabled", "true")
    expect(olga.get_by_text("Select two to compare.")).to_be_visible()
    compare.click(force=True)
    expect(boxes.nth(0)).to_be_checked()  # nothing was sent
    boxes.nth(1).check()
    expect(olga.get_by_text("Select two to compare.")).to_be_hidden()
    olga.get_by_role("button", name="Select all").click()
    expect(olga.locator("#environments .choose:checked")).to_have_count(3)
    expect(compare).to_have_attribute("aria-disabled", "true")
    ask(studio, "version", "lab", "choose-four", "six==1.16.0\n# choose-four\n")
    expect(boxes).to_have_count(4)  # the list is live, and its buttons stay
    olga.get_by_role("button", name="Clear", exact=True).click()
    expect(olga.locator("#environments .choose:checked")).to_have_count(0)
    boxes.nth(0).check()
    boxes.nth(2).check()
    compare.click()
    expect(olga).to_have_url(re.compile("/w/lab/compare/"))


def test_facets_and_the_switch_of_versions_write_the_search(olga: Page, studio: Studio) -> None:
    ask(studio, "holding", "lab", "facet-env", "facet-package==1.0", "other==1")
    ask(studio, "version", "lab", "facet-env", "six==1.16.0\n")
    olga.goto(f"{studio.url}/w/lab/environments/?q=package%3Afacet-package")
    expect(olga.get_by_text("In older versions:")).to_be_visible()
    olga.get_by_text("All versions", exact=True).click()
    expect(olga.locator("#environments a.name")).to_have_text(["facet-env"])
    expect(olga).to_have_url(re.compile("versions=all"))
    olga.locator(".facets").get_by_role("link", name="Ready").click()
    expect(olga.locator("#filter")).to_have_value("package:facet-package state:ready")
    expect(olga.get_by_role("radio", name="All versions")).to_be_checked()


def test_a_mac_is_named_its_own_key(own_page: Page, studio: Studio) -> None:
    own_page.add_init_script("Object.defineProperty(navigator, 'platform', { value: 'MacIntel' })")
    sign_in(own_page, studio, "olga", "lab")
    own_page.goto(f"{studio.url}/w/lab/new/")
    editor_of(own_page).fill("numpy=1.26.4\nuvicorn[standard]==0.30.1\nhttpx=0.27.0\n")
    own_page.get_by_role("button", name="Fix all safe (2)").click()
    expect(own_page.get_by_text("Fixed. ⌘ Z takes it back.")).to_be_visible()
    expect(own_page.locator(".topbar kbd")).to_have_text("⌘ K")
    expect(own_page.locator("kbd", has_text="Ctrl")).to_have_count(0)
    # A browser that fills in a form reports a key without a name; it breaks nothing.
    own_page.evaluate("document.body.dispatchEvent(new Event('keydown', { bubbles: true }))")
    own_page.keyboard.press("Meta+k")
    expect(own_page.get_by_role("combobox", name="Search or run a command")).to_be_focused()
