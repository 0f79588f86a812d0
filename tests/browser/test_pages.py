"""The pages in a real browser, on a whole studio: the first hour of somebody who has never seen it."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.backstage import ask
from tests.browser.visiting import create, editor_of, review_first, settled, sign_in, sign_in_by_link
from tests.services.fixtures import StartStudio
from tests.services.studio import Studio

BUILD_SECONDS = 90
# A user who allowed notifications and looks at another window
RECORD_NOTIFICATIONS = """
localStorage.setItem("studio:tell", "yes");
document.hasFocus = () => false;
window.told = [];
window.Notification = class extends EventTarget {
  static permission = "granted";
  constructor(title) { super(); window.told.push(title); }
};
"""


# The first hour


def test_from_the_login_link_to_the_first_image_in_two_clicks(own_page: Page, studio: Studio) -> None:
    page = own_page
    link = studio.url + ask(studio, "link", "newcomer", "empty")
    page.goto(link)
    page.get_by_role("button", name="Sign in as newcomer").click()
    page.add_init_script(RECORD_NOTIFICATIONS)
    page.get_by_role("button", name="Build a sample environment").click()
    log = page.get_by_role("log")
    expect(log.locator("#L1")).to_be_visible()  # line 1 is there, however late one comes
    expect(page).to_have_title(re.compile("Ready: first-environment:1"), timeout=BUILD_SECONDS * 1000)
    expect(page.get_by_text("The image is ready")).to_be_visible()
    expect(page.locator(".pull-text").first).to_have_text(
        re.compile(r"^docker pull localhost:\d+/empty/first-environment:1$")
    )
    expect(page.locator("#favicon")).to_have_attribute("href", re.compile("good"))
    expect(page.locator("#said")).to_contain_text("Ready")  # the stream has ended
    assert page.evaluate("window.told") == ["Ready: first-environment:1 · Studio"]
    numbers = page.locator("#log .l > a").all_inner_texts()
    assert numbers == [str(number + 1) for number in range(len(numbers))]  # every line, once, in order

    page.goto(link)
    expect(page.get_by_role("heading", name="This link no longer works")).to_be_visible()


def test_a_failed_build_leads_to_its_line_and_is_mended_in_the_next_version(
    olga: Page, studio: Studio
) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    editor_of(olga).fill("this-package-does-not-exist-anywhere==1.0\n")
    olga.get_by_label("Name", exact=True).fill("impossible")
    olga.get_by_role("button", name="Create and build").click()
    expect(olga).to_have_title(re.compile("Failed: impossible:1"), timeout=BUILD_SECONDS * 1000)
    failure = olga.locator(".failure")
    failure.get_by_role("link", name="of the log").click()
    line = olga.locator("#log .l:target")
    expect(line).to_be_in_viewport()
    expect(line).to_contain_text("Error")
    expect(olga.get_by_role("button", name="Retry")).to_be_visible()

    olga.get_by_role("link", name="Edit the definition").click()
    editor_of(olga).fill("toolz==1.0.0\n")
    olga.get_by_role("button", name="Save and build").click()
    expect(olga).to_have_title(re.compile("Ready: impossible:2"), timeout=BUILD_SECONDS * 1000)


def test_the_same_definition_again_is_ready_at_once(olga: Page, studio: Studio) -> None:
    for name in ("original", "twin"):
        olga.goto(f"{studio.url}/w/lab/new/")
        editor_of(olga).fill("six==1.13.0\n")  # no other test of this studio builds it
        olga.get_by_label("Name", exact=True).fill(name)
        if name == "twin":
            expect(
                olga.locator("#review").get_by_text("an image for this definition already exists")
            ).to_be_visible()
        olga.get_by_role("button", name="Create and build").click()
        if name == "original":
            expect(olga).to_have_title(re.compile("Ready: original:1"), timeout=BUILD_SECONDS * 1000)
    expect(olga.get_by_text("twin:1 is ready: an image for this definition already exists.")).to_be_visible()
    expect(olga.get_by_role("link", name="original:1")).to_be_visible()

    # A rebuild would move both of them, and says so before.
    settled(olga.locator("#environment-menu"))
    olga.locator("#environment-menu summary").click()
    olga.get_by_role("link", name="Rebuild", exact=True).click()
    expect(olga.get_by_role("heading", name="2 versions share this image")).to_be_visible()
    expect(olga.get_by_role("main").get_by_role("link", name="original:1")).to_be_visible()
    expect(olga.get_by_text("all versions stay the same.")).to_be_visible(timeout=BUILD_SECONDS * 1000)


def test_two_versions_are_chosen_and_compared(olga: Page, studio: Studio) -> None:
    ask(studio, "version", "lab", "compared", "numpy==2.1.3\nsix==1.16.0\n")
    address = ask(studio, "version", "lab", "compared", "numpy==2.2.0\n")
    olga.goto(f"{studio.url}{address}?tab=versions")
    olga.get_by_role("button", name="Compare", exact=True).click()
    expect(olga.get_by_text("1 upgraded, 1 removed")).to_be_visible()
    expect(olga.get_by_role("row", name="numpy pip")).to_contain_text("upgraded")


def test_a_curated_environment_becomes_ones_own_and_is_compared_with_its_parent(
    olga: Page, studio: Studio
) -> None:
    ask(studio, "version", "curated", "AzureML-journey", "numpy==2.1.3\n")
    olga.goto(f"{studio.url}/w/lab/environments/?tab=curated")
    olga.get_by_role("link", name="journey", exact=True).click()
    olga.get_by_role("link", name="Start from it").click()
    text = editor_of(olga)
    text.fill("numpy==2.2.0\n")
    olga.get_by_label("Name", exact=True).fill("journey-mine")
    review_first(olga)
    expect(olga.get_by_role("heading", name="Compared with AzureML-journey:1")).to_be_visible()
    create(olga)
    settled(olga.get_by_role("heading", name="journey-mine", exact=True))

    olga.get_by_role("link", name="Edit description and tags").click()
    olga.get_by_label("Description").fill("With the newest numpy")
    olga.locator("#about").get_by_role("button", name="Save").click()
    expect(olga.locator("#about").get_by_role("status")).to_have_text("Saved.")
    expect(olga.locator("#about").get_by_text("With the newest numpy")).to_be_visible()

    olga.get_by_role("link", name="Compare with it").click()
    expect(olga.get_by_text("1 upgraded")).to_be_visible()
    expect(olga.get_by_role("row", name="numpy pip")).to_contain_text("upgraded")


def test_by_numpy_below_2_one_comes_to_why_it_is_there(olga: Page, studio: Studio) -> None:
    ask(studio, "holding", "lab", "old-numpy", "pandas==1.5.2", "numpy==1.26.4", "pytz==2024.1")
    ask(studio, "holding", "lab", "new-numpy", "pandas==2.2.2", "numpy==2.1.3")
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.locator("#filter").fill("numpy<2 old-")
    olga.wait_for_url("**q=numpy**")  # by then, the list is the filtered list
    expect(olga.get_by_role("link", name="new-numpy")).to_have_count(0)
    olga.get_by_role("link", name="old-numpy", exact=True).click()
    olga.get_by_role("link", name=re.compile(r"^Packages \d")).click()
    settled(olga.get_by_placeholder("Filter by name"))
    olga.get_by_placeholder("Filter by name").press_sequentially("num")
    expect(olga.locator("#package-rows tbody tr")).to_have_count(1)
    expect(olga.get_by_role("row", name="numpy")).to_contain_text("pandas")
    expect(olga.get_by_placeholder("Filter by name")).to_be_focused()
    olga.reload()
    expect(olga.locator("#package-rows tbody tr")).to_have_count(1)


# Layout and accessibility


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_theme_is_the_systems_until_one_is_chosen_and_the_choice_is_kept(
    olga: Page, studio: Studio
) -> None:
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.emulate_media(color_scheme="light")
    light = background(olga)
    olga.emulate_media(color_scheme="dark")
    expect(olga.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert background(olga) != light
    with olga.expect_response(lambda response: response.url.endswith("/theme/")):
        olga.locator("#account-menu summary").click()
        olga.get_by_role("button", name="Light theme").click()
    assert background(olga) == light
    olga.reload()
    assert background(olga) == light
    olga.locator("#account-menu summary").click()
    expect(olga.get_by_role("button", name="Light theme")).to_have_attribute("aria-pressed", "true")
    olga.route(re.compile("/theme/"), lambda route: route.abort())
    olga.get_by_role("button", name="Dark theme").click()
    expect(olga.get_by_role("alert").filter(has_text="Can't reach the studio.")).to_be_visible()


def test_the_keyboard_reaches_search_menus_and_content(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.keyboard.press("Tab")
    expect(olga.get_by_role("link", name="Skip to content")).to_be_focused()
    olga.keyboard.press("/")
    expect(olga.get_by_role("searchbox", name="Search by name, tag, text or package")).to_be_focused()
    menu = olga.locator("#account-menu")
    menu.locator("summary").focus()
    olga.keyboard.press("Enter")
    expect(olga.get_by_role("button", name="Sign out")).to_be_visible()
    olga.keyboard.press("Escape")
    expect(olga.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()


def test_rows_are_walked_and_help_is_shown_by_keys_but_never_while_typing(
    olga: Page, studio: Studio, shelf: str
) -> None:
    olga.goto(f"{studio.url}/w/lab/environments/")
    names = olga.locator("#environments a.name")
    for key, row in (("j", 0), ("j", 1), ("k", 0), ("k", 0), ("j", 1)):
        olga.keyboard.press(key)
        expect(names.nth(row)).to_be_focused()
    compare = olga.locator("#environments").get_by_role("button", name="Compare", exact=True)
    expect(compare).to_be_hidden()
    olga.keyboard.press("x")  # chosen, there is something to do with it
    expect(compare).to_be_visible()
    olga.evaluate("htmx.ajax('GET', location.href, {target: '#environments', swap: 'outerHTML'})")
    expect(names.nth(1)).to_be_focused()
    # Swapped content shows times in the reader's zone too, and UTC on hover.
    expect(olga.locator("#environments time[data-moment]:not([data-exact])")).to_have_count(0)
    expect(olga.locator("#environments time").first).to_have_attribute("title", re.compile(r" UTC$"))

    olga.keyboard.press("?")
    expect(olga.get_by_role("dialog", name="Keyboard")).to_be_visible()
    olga.keyboard.press("j")  # belongs to what lies under the help
    olga.keyboard.press("Escape")
    expect(olga.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    expect(names.nth(1)).to_be_focused()

    olga.locator("#filter").press_sequentially("j?k/")
    expect(olga.locator("#filter")).to_have_value("j?k/")
    expect(olga.get_by_role("dialog", name="Keyboard")).to_be_hidden()

    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.keyboard.press("j")
    first = names.first.get_attribute("href")
    olga.keyboard.press("Enter")
    expect(olga).to_have_url(f"{studio.url}{first}")


def test_search_narrows_the_list_while_typing_and_the_address_follows(olga: Page, studio: Studio) -> None:
    ask(studio, "version", "lab", "needle", "attrs==24.2.0\n")
    ask(studio, "version", "lab", "haystack", "idna==3.10\n")
    olga.goto(f"{studio.url}/w/lab/environments/")
    olga.locator("#filter").press_sequentially("needle")
    expect(olga.get_by_role("link", name="haystack")).to_be_hidden()
    expect(olga.get_by_role("link", name="needle")).to_be_visible()
    expect(olga).to_have_url(re.compile("q=needle"))
    olga.reload()
    expect(olga.get_by_role("link", name="haystack")).to_be_hidden()


def test_a_logout_while_typing_is_reported_and_keeps_the_text(olga: Page, studio: Studio) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    text = editor_of(olga)
    other = olga.context.new_page()
    other.goto(f"{studio.url}/w/lab/builds/")
    other.locator("#account-menu summary").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()

    text.fill("six==1.16.0\n")
    trouble = olga.get_by_role("alert").filter(has_text="You are signed out.")
    expect(trouble.get_by_role("link", name="Sign in")).to_have_attribute("target", "_blank")
    sign_in_by_link(other, studio, "olga", "lab")
    # Back in the first window, which the browser says by this
    olga.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(trouble).to_be_hidden()
    olga.get_by_label("Name", exact=True).fill("typed-before")
    create(olga)
    expect(olga.get_by_text("typed-before:1 is saved.")).to_be_visible()

    # An unreachable or broken studio is reported too, until it answers again.
    olga.goto(f"{studio.url}/w/lab/environments/")
    filtered = re.compile(r"/environments/\?")
    for broken, sentence in (
        (lambda route: route.abort(), "Can't reach the studio."),
        (lambda route: route.fulfill(status=500), "the studio answered with error 500"),
    ):
        olga.route(filtered, broken)
        olga.locator("#filter").fill(sentence[:5])
        expect(olga.get_by_role("alert").filter(has_text=sentence)).to_be_visible()
        olga.unroute(filtered)
    olga.locator("#filter").fill("typed")
    expect(olga.locator("#trouble")).to_be_hidden()


def test_without_javascript_everything_can_be_read_and_sent(
    browser: Browser, studio: Studio, shelf: str
) -> None:
    context: BrowserContext = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in_by_link(page, studio, "olga", "lab")
    page.goto(f"{studio.url}/w/lab/new/")
    page.get_by_role("textbox", name="Definition").fill("certifi==2024.8.30\n")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#review").get_by_text("0 conda, 1 pip")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("plain")
    # The page promises nothing that takes a script.
    for sentence in ("as you type", "drop"):
        expect(page.locator("main").get_by_text(sentence).filter(visible=True)).to_have_count(0)
    expect(page.locator("#id_file")).to_be_visible()
    create(page)
    expect(page.get_by_role("heading", name="plain", exact=True)).to_be_visible()
    page.goto(studio.url + shelf)
    expect(page.get_by_text("Resolving, and resolving")).to_be_visible()
    expect(page.get_by_role("link", name="Reload the page")).to_be_visible()
    context.close()


def test_a_stranger_gets_404(page: Page, studio: Studio, shelf: str) -> None:
    sign_in(page, studio, "stan", "elsewhere")
    for address in ("/w/lab/environments/", shelf):
        response = page.goto(studio.url + address)
        assert response is not None
        assert response.status == 404
        expect(page.get_by_role("heading", name="Page not found")).to_be_visible()


def test_ctrl_c_stops_a_studio_whose_builds_are_watched_and_they_go_on_when_it_is_back(
    page: Page, start_studio: StartStudio, stock: Path
) -> None:
    studio = start_studio(stock)
    sign_in(page, studio, "olga", "lab")
    address = ask(studio, "building", "lab", "slow")
    with page.expect_response(lambda response: "/stream?" in response.url):
        page.goto(studio.url + address)
    expect(page).to_have_title(re.compile("Building: slow:1"))
    assert studio.process
    os.killpg(studio.process.pid, signal.SIGINT)
    assert studio.process.wait() == 0, studio.process.last_words()
    expect(page.get_by_text("Connection lost. Reconnecting …")).to_be_visible()

    # And when it is back, the page goes on by itself, from the line where it was.
    studio.start()
    ask(studio, "more", address, "Still resolving")
    expect(page.get_by_text("Still resolving")).to_be_visible(timeout=20_000)
    expect(page.locator("#log .l > a")).to_have_text(["1", "2"])
    expect(page.get_by_text("Connection lost. Reconnecting …")).to_be_hidden()


def test_a_comparison_is_picked_unfolded_and_seen_side_by_side(olga: Page, studio: Studio) -> None:
    notes = "".join(f"# note {number}\n" for number in range(30))
    ask(studio, "version", "lab", "picked", f"numpy==2.1.3\n{notes}")
    ask(studio, "version", "lab", "picked", f"numpy==2.2.0\n{notes}")
    ask(studio, "version", "lab", "picked-too", f"numpy==2.3.0\n{notes}")
    olga.goto(f"{studio.url}/w/lab/compare/?b=lab/picked:2")
    expect(olga.get_by_role("group", name="Old").get_by_label("Version")).to_have_value("1")
    lines = olga.get_by_role("cell", name="# note 17", exact=True)
    expect(lines).to_be_hidden()
    olga.get_by_role("button", name="27 unchanged lines").click()
    expect(lines).to_be_visible()
    olga.get_by_role("link", name="Side by side").click()
    expect(olga.get_by_role("cell", name="numpy==2.2.0", exact=True)).to_be_visible()

    new = olga.get_by_role("group", name="New")
    new.get_by_label("Environment").select_option("lab/picked-too")
    expect(new.get_by_label("Version")).to_have_value("1")
    olga.get_by_role("button", name="Compare", exact=True).click()
    expect(olga.get_by_role("row", name="numpy pip")).to_contain_text("2.3.0")


def test_a_label_is_set_and_moved_back(olga: Page, studio: Studio) -> None:
    ask(studio, "version", "lab", "labelled", "numpy==2.1.3\n")
    address = ask(studio, "version", "lab", "labelled", "numpy==2.2.0\n")
    olga.goto(f"{studio.url}{address}?tab=versions")
    menu = olga.locator("#version-2 details.menu")
    menu.locator("summary").click()
    menu.get_by_role("link", name="New label…").click()
    olga.get_by_label("New label").fill("prod")
    olga.get_by_role("button", name="Set label").click()
    expect(olga.get_by_text("“prod” now means labelled:2.")).to_be_visible()

    menu = olga.locator("#version-1 details.menu")
    menu.locator("summary").click()
    menu.get_by_role("link", name="Move “prod” here").click()
    olga.get_by_role("button", name="Move to version 1").click()
    expect(olga.locator("#version-1").get_by_role("link", name="prod", exact=True)).to_be_visible()


def test_what_is_chosen_is_seen_in_a_contrast_theme(own_page: Page, studio: Studio) -> None:
    own_page.emulate_media(forced_colors="active", color_scheme="light")
    sign_in(own_page, studio, "olga", "lab")
    own_page.goto(f"{studio.url}/w/lab/settings/?tab=sharing")
    switch = own_page.get_by_label("Receive from other workspaces")
    switch.focus()
    on = switch.screenshot()
    switch.press("Space")
    assert switch.screenshot() != on
    tab = own_page.locator(".tabs [aria-current]")
    current = tab.screenshot()
    tab.evaluate("tab => tab.removeAttribute('aria-current')")
    assert own_page.get_by_role("link", name="Sharing").screenshot() != current
