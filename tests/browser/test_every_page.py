"""Every page and every tab, in both themes, wide and narrow: axe finds nothing, and nothing sticks out."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from django.urls import resolve
from playwright.sync_api import Browser, Page, expect

from environments.models.environments import ANONYMOUS
from environments.workspaces.tabs import settings_tabs
from studio.environments.views import TABS as ENVIRONMENT_TABS
from tests.access.expected import BUILD, VERSION, W
from tests.access.expected import PAGES as ROUTES
from tests.browser.backstage import ask
from tests.browser.visiting import AXE, LONG, LOOKS, axe_violations, review_first, settled
from tests.services.studio import Studio

LOOKED_AT: list[tuple[Literal["light", "dark"], int, Sequence[str]]] = [
    ("light", 1280, ()),
    ("dark", 390, LOOKS),
]
PAGES = [
    "/w/lab/environments/",
    "/w/lab/environments/?tab=curated",
    "/w/lab/environments/?tab=curated&view=list",
    "/w/lab/environments/?tab=curated&framework=nothing-has-this",
    "/w/lab/environments/?q=nothing-has-this",
    "/w/lab/environments/?q=numpy%3C3&versions=all",
    "/w/lab/search/?q=held",
    "/w/lab/search/?q=nothing-has-this",
    "/w/lab/packages/",
    "/w/lab/packages/numpy/",
    "/w/lab/exposed/",
    "/w/lab/exposed/?in=all&q=nothing-has-this",
    "/w/lab/exposed/numpy/",
    "/patch-status/",
    "/w/empty-one/environments/",
    "/w/lab/new/",
    "/docs/findings/",
    "/docs/causes/",
    "/w/lab/new/?source=start",
    "/w/lab/new/?source=packages",
    "/w/lab/new/?source=context",
    "REVIEW",
    f"/w/lab/environments/{LONG}/",
    f"/w/lab/environments/{LONG}/?tab=context",
    f"/w/lab/environments/{LONG}/?tab=versions",
    f"/w/lab/environments/{LONG}/?tab=builds",
    f"/w/lab/environments/{LONG}/?tab=activity",
    f"/w/lab/environments/{LONG}/?tab=uses",
    f"/w/lab/environments/{LONG}/versions/1/edit/",
    f"/w/lab/environments/{LONG}/versions/1/rebuild/",
    f"/w/lab/environments/{LONG}/versions/1/label/",
    f"/w/lab/environments/{LONG}/versions/1/share/",
    "/w/lab/shares/1/",
    "/w/lab/settings/?tab=sharing",
    "/w/lab/settings/?tab=azure",
    "/w/lab/settings/?tab=policy",
    "/w/lab/decisions/",
    f"/w/lab/environments/{ANONYMOUS}/versions/nameless/",
    f"/w/lab/compare/?a=lab/{LONG}:1&b=lab/{LONG}:2",
    f"/w/lab/compare/?a=lab/{LONG}:1&b=lab/{LONG}:2&view=split",
    "/w/lab/compare/",
    "/w/lab/environments/?q=numpy%3C",
    "/w/lab/environments/?column=kind&column=uses&column=by",
    "/w/lab/environments/held/?edit=about&use=dockerfile",
    "/w/lab/environments/held/?tab=packages",
    "/w/lab/compare/?a=lab/held:1&b=lab/held-too:1",
    "/w/lab/heal/?id=CVE-2026-1",
    "/w/lab/heal/1/",
    "/w/lab/environments/affected/drift/",
    "/w/lab/builds/",
    "/w/lab/builds/figures/?period=quarter",
    "/w/lab/images/",
    "/w/lab/images/?only=moved",
    "/w/lab/images/clean-up/",
    "/w/lab/bases/",
    "/bases/",
    "REBASE",
    "IMAGE",
    f"/w/lab/environments/{LONG}/versions/1/",
    f"/w/lab/environments/{LONG}/versions/1/propose/",
    "/w/curated/proposals/",
    "/w/curated/proposals/?state=withdrawn",
    "/w/curated/proposals/?state=deprecated",
    "/w/curated/proposals/1/",
    f"/w/curated/environments/AzureML-{LONG}/deprecate/",
    f"/w/curated/environments/AzureML-{LONG}/",
    "/activity/",
    "/w/lab/activity/",
    "/w/lab/activity/?who=nobody&what=builds&since=nonsense",
    "/w/lab/settings/?tab=webhooks",
    "/w/lab/settings/?tab=webhooks&webhook=1",
    "/account/notifications/",
    "/w/lab/settings/?tab=connections",
    "/w/lab/settings/?tab=members",
    "/account/tokens/",
    "/account/password/",
    "/w/lab/settings/?tab=registry",
    "/w/lab/settings/?tab=uploads",
    "/w/lab/settings/?tab=limits",
    "/w/lab/settings/?tab=general",
    "/workspaces/new/",
    "/docs/running/",
    "/docs/formats/",
    "/invitations/unknown/",
    "/nothing/here/",
    "BUILD",
    "BUILDstop/",
]


# Routes that answer GET without being pages: partials, files, streams, redirects, routes that need a setting
NO_PAGE = {
    "",
    "healthz",
    "readyz",
    "metrics",
    ".well-known/studio-signing-key.pem",
    "docs/",
    "login/provider/",
    "login/provider/back/",
    "login/<str:uid>/<str:token>/",  # looked at on the way in
    f"{W}check",
    f"{W}events/",
    "account/notifications/bell",
    f"{W}complete",
    f"{W}activity/events.jsonl",
    "activity/events.jsonl",
    f"{VERSION}lock/<slug:format>",
    f"{VERSION}file",
    "badge/<slug:workspace>/<word:name>.svg",
    f"{VERSION}rebuild/moves",
    f"{BUILD}log.txt",
    f"{BUILD}log/lines",
    f"{BUILD}log/search",
    f"{BUILD}stream",
    f"{W}settings/azure/config.json",
    f"{W}settings/azure/authority.pem",
    f"{W}decisions/vex.cdx.json",
}


def test_every_page_and_every_tab_is_looked_at() -> None:
    addresses = [
        "/login/",
        *(
            address.replace("BUILD", f"/w/lab/builds/{uuid.uuid4()}/")
            .replace("IMAGE", "/w/lab/images/sha256:0/")
            .replace("REBASE", "/w/lab/rebases/1/")
            for address in PAGES
        ),
    ]
    exceptions = {"/nothing/here/", "REVIEW"}  # no page, and a page that a button leads to
    visited = {resolve(urlsplit(address).path).route for address in addresses if address not in exceptions}
    answering = {route for route, methods in ROUTES.items() if "GET" in methods} - NO_PAGE
    missing = sorted(answering - visited)
    assert missing == [], "Add these to PAGES, or say in NO_PAGE why they are none."
    requested = {tuple(urlsplit(address)[2:4]) for address in addresses}
    for tab in settings_tabs():
        assert ("/w/lab/settings/", f"tab={tab.name}") in requested
    tabs = {
        query for path, query in requested if path.startswith("/w/lab/environments/") and path.count("/") == 5
    }
    assert {f"tab={tab}" for tab in ENVIRONMENT_TABS if tab != "details"} <= tabs


# The frame of most pages
AROUND = (".sidebar", ".topbar", "#keys", "#palette")


def seen_before(page: Page, seen: set[str]) -> list[str]:
    """Return what is around the content and was on an earlier page too, mark for mark; note the rest as seen."""
    around: dict[str, str] = page.evaluate(
        """selectors => Object.fromEntries(selectors.flatMap(selector => {
          const part = document.querySelector(selector);
          return part ? [[selector, part.outerHTML]] : [];
        }))""",
        AROUND,
    )
    # Only what nobody sees: the address to come back to, and the token of a form.
    markup = {
        selector: re.sub(r'(type="hidden"[^>]*?) value="[^"]*"', r"\1", text)
        for selector, text in around.items()
    }
    before = [selector for selector, text in markup.items() if text in seen]
    seen.update(markup.values())
    return before


# A part that scrolls by a few pixels has a needless scrollbar, where scrollbars take room.
SCROLLS_SLIGHTLY = """() => [...document.querySelectorAll("*")].filter(element => {
  const { overflowX, overflowY } = getComputedStyle(element);
  const slightly = (inside, outside, overflow) =>
    (overflow === "auto" || overflow === "scroll") && inside > outside && inside <= outside + 5;
  return slightly(element.scrollHeight, element.clientHeight, overflowY)
    || slightly(element.scrollWidth, element.clientWidth, overflowX);
}).map(element => element.cloneNode().outerHTML)"""


def problems_of(page: Page, seen: set[str]) -> list[str]:
    """Return what is wrong with an open page, light and wide, dark and narrow; parts that were `seen` are as they were."""
    problems = []
    without = seen_before(page, seen)
    size = page.viewport_size
    # As the page is comes first: to lay it out again takes long.
    looks = sorted(LOOKED_AT, key=lambda look: size is not None and look[1] != size["width"])
    # Colours depend on the theme and not on the width, what sticks out on the width and not on the theme.
    for theme, width, rules in looks:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        problems += axe_violations(page, rules, without)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            problems.append(f"{page.url} is {wide} pixels wide at {width}")
        problems += [
            f"{page.url}: {part} scrolls by a few pixels" for part in page.evaluate(SCROLLS_SLIGHTLY)
        ]
    return problems


def test_axe_finds_nothing_and_nothing_sticks_out(browser: Browser, studio: Studio, shelf: str) -> None:
    context = browser.new_context(bypass_csp=True, reduced_motion="reduce")
    context.add_init_script(AXE)  # sent and compiled once, not for each page
    page = context.new_page()
    page.goto(f"{studio.url}/login/")
    seen: set[str] = set()
    problems = problems_of(page, seen)
    page.goto(studio.url + ask(studio, "link", "viola", "lab"))
    problems += problems_of(page, seen)
    page.get_by_role("button", name="Sign in as viola").click()
    settled(page.get_by_role("heading", level=1))
    for address in PAGES:
        if address == "REVIEW":
            page.goto(f"{studio.url}/w/lab/new/?from=lab/{LONG}:1")
            review_first(page)
            expect(page.locator("#reviewed-head")).to_be_visible()
        elif address == "IMAGE":
            page.goto(f"{studio.url}/w/lab/images/")
            page.locator("a.name").first.click()
            expect(page.get_by_role("heading", name="Layers")).to_be_visible()
        elif address == "REBASE":
            page.goto(f"{studio.url}/w/lab/bases/")
            page.get_by_role("button", name="Preview", exact=True).click()
            expect(page.get_by_role("heading", level=1)).to_contain_text("Rebase")
        else:
            page.goto(studio.url + address.replace("BUILD", shelf))
        expect(page.locator("main")).to_be_visible()
        problems += problems_of(page, seen)
    context.close()
    assert not problems, "\n".join(problems)
