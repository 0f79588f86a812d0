"""Take pictures of every page, in both themes and three widths: `make screenshots` writes them to screenshots/.

They are taken of a studio of its own, with environments that are built for real. One of them is the README's.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.backstage import ask
from tests.services import parts
from tests.services.servers.chromium import launch_options
from tests.services.studio import Studio

FOLDER = Path("screenshots")
README = Path("docs/studio.png")
BUILD_SECONDS = 300
WIDTHS = (390, 1280, 1920)
TABS = (
    "connections",
    "registry",
    "sharing",
    "azure",
    "uploads",
    "policy",
    "limits",
    "members",
    "webhooks",
    "general",
)
WORKSPACE = "research"
FORECAST = "numpy==2.3.5\npandas==2.3.3\nscikit-learn==1.7.2\n"
BROKEN = "numpy==2.3.5\nthis-package-does-not-exist-anywhere==1.0\n"
PASTED = "channels: [conda-forge]\ndependencies:\n  - python=3.8\n  - numpy\n  - pip:\n      - torch=2.5.1\n"

PAGES = {
    "environments": f"/w/{WORKSPACE}/environments/",
    "curated": f"/w/{WORKSPACE}/environments/?tab=curated",
    "curated-list": f"/w/{WORKSPACE}/environments/?tab=curated&view=list",
    "empty": "/w/quiet/environments/",
    "new-from-another": f"/w/{WORKSPACE}/new/?source=start",
    "new-of-packages": f"/w/{WORKSPACE}/new/?source=packages",
    "new-of-a-context": f"/w/{WORKSPACE}/new/?source=context",
    "environment": f"/w/{WORKSPACE}/environments/forecast/versions/1/",
    "context": f"/w/{WORKSPACE}/environments/forecast/?tab=context",
    "packages": f"/w/{WORKSPACE}/environments/forecast/versions/1/?tab=packages",
    "versions": f"/w/{WORKSPACE}/environments/forecast/?tab=versions",
    "environment-builds": f"/w/{WORKSPACE}/environments/forecast/?tab=builds",
    "used-by": f"/w/{WORKSPACE}/environments/forecast/?tab=uses",
    "found-by-content": f"/w/{WORKSPACE}/environments/?q=numpy%3C3",
    "found-in-all-versions": f"/w/{WORKSPACE}/environments/?q=numpy%3C3&versions=all",
    "found-nowhere": f"/w/{WORKSPACE}/environments/?q=package:nothing-has-this",
    "search": f"/w/{WORKSPACE}/search/?q=forecast",
    "packages-of-workspace": f"/w/{WORKSPACE}/packages/",
    "package": f"/w/{WORKSPACE}/packages/numpy/",
    "vulnerabilities": f"/w/{WORKSPACE}/exposed/",
    "exposed": f"/w/{WORKSPACE}/exposed/numpy/",
    "patch-status": "/patch-status/",
    "propose": f"/w/{WORKSPACE}/environments/forecast/versions/1/propose/",
    "proposals": "/w/curated/proposals/",
    "proposal": "/w/curated/proposals/1/",
    "deprecated": "/w/curated/environments/AzureML-old/",
    "compare": f"/w/{WORKSPACE}/compare/?a={WORKSPACE}/forecast:1&b={WORKSPACE}/forecast:2",
    "compare-split": f"/w/{WORKSPACE}/compare/?a={WORKSPACE}/forecast:1&b={WORKSPACE}/forecast:2&view=split",
    "label": f"/w/{WORKSPACE}/environments/forecast/versions/1/label/",
    "share": f"/w/{WORKSPACE}/environments/forecast/versions/1/share/",
    "shared": f"/w/{WORKSPACE}/shares/1/",
    "anonymous": f"/w/{WORKSPACE}/environments/CliV2AnonymousEnvironment/versions/nameless/",
    "heal": f"/w/{WORKSPACE}/heal/?id=CVE-2026-1",
    "heal-run": f"/w/{WORKSPACE}/heal/1/",
    "drift": f"/w/{WORKSPACE}/environments/affected/drift/",
    "rebuild": f"/w/{WORKSPACE}/environments/forecast/versions/1/rebuild/",
    "builds": f"/w/{WORKSPACE}/builds/",
    "images": f"/w/{WORKSPACE}/images/",
    "bases": f"/w/{WORKSPACE}/bases/",
    "bases-everywhere": "/bases/",
    "clean-up": f"/w/{WORKSPACE}/images/clean-up/",
    "decisions": f"/w/{WORKSPACE}/decisions/",
    "activity": f"/w/{WORKSPACE}/activity/",
    **{f"settings-{tab}": f"/w/{WORKSPACE}/settings/?tab={tab}" for tab in TABS},
    "findings": "/docs/findings/",
    "tokens": "/account/tokens/",
    "notifications": "/account/notifications/",
    "new-workspace": "/workspaces/new/",
    "documentation": "/docs/running/",
    "missing": "/w/nowhere/",
}


def main() -> None:
    """Start a studio, fill it, and go through its pages."""
    if reason := parts.CHROMIUM.missing():
        sys.exit(reason)
    shutil.rmtree(FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        studio = Studio(Path(folder) / "studio", {})
        studio.start()
        try:
            browser = playwright.chromium.launch(**launch_options(parts.program("chromium-headless-shell")))
            builds = fill(browser, studio)
            for width in WIDTHS:
                take(browser, studio, builds, "light", width)
                take(browser, studio, builds, "dark", width)
            browser.close()
        finally:
            studio.stop()
    print(f"{len(list(FOLDER.iterdir()))} pictures in {FOLDER}/, and {README}")


def signed_in(browser: Browser, studio: Studio, theme: Literal["light", "dark"], width: int) -> Page:
    """Return a page of somebody who owns the workspace."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=theme, locale="en-GB"
    )
    page = context.new_page()
    page.goto(studio.url + ask(studio, "link", "olga", WORKSPACE))
    page.get_by_role("button", name="Sign in as olga").click()
    page.wait_for_url("**/environments/")
    return page


def fill(browser: Browser, studio: Studio) -> dict[str, str]:
    """Define and build what the pictures show; return the addresses of the builds."""
    page = signed_in(browser, studio, "light", 1280)
    builds = {}
    for name, text, arguments in (
        ("forecast", FORECAST, "team=demand, stage=production"),
        ("broken", BROKEN, ""),
    ):
        page.goto(f"{studio.url}/w/{WORKSPACE}/new/")
        page.get_by_role("textbox", name="Definition").fill(text)
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Tags").fill(arguments)
        page.get_by_role("button", name="Create and build").click()
        page.locator("[data-title][data-active=no]").wait_for(timeout=BUILD_SECONDS * 1000)
        builds[f"build-{name}"] = page.url
    ask(studio, "version", WORKSPACE, "forecast", FORECAST.replace("2.3.3", "2.2.3") + "polars==1.35.2\n")
    ask(studio, "version", WORKSPACE, "forecast-nightly", FORECAST)
    ask(studio, "link", "olga", "quiet")
    ask(studio, "healing", WORKSPACE, "olga")
    ask(studio, "use", WORKSPACE, "forecast", "deployment", "demand-blue")
    ask(studio, "proposed", WORKSPACE, "time-series")
    ask(studio, "leaving", "AzureML-old")
    ask(
        studio,
        "shared",
        "demand",
        WORKSPACE,
        "demand-model",
        "The environment of our talk. Try it with your data.",
    )
    ask(studio, "nameless", WORKSPACE, FORECAST)
    ask(studio, "webhook", WORKSPACE, "https://hooks.example/studio")
    ask(studio, "link", "olga", "curated")
    page.goto(f"{studio.url}/w/{WORKSPACE}/images/")
    page.locator("a.name").first.click()
    page.wait_for_url("**/images/sha256:*/")
    builds["image"] = page.url
    builds["build-running"] = studio.url + ask(studio, "building", WORKSPACE, "vision")
    page.context.close()
    return builds


def take(
    browser: Browser, studio: Studio, builds: dict[str, str], theme: Literal["light", "dark"], width: int
) -> None:
    """Take the pictures of one theme and width."""
    page = signed_in(browser, studio, theme, width)
    addresses = {name: studio.url + path for name, path in PAGES.items()} | builds
    for name, address in addresses.items():
        page.goto(address)
        page.locator("main").wait_for()
        page.screenshot(path=FOLDER / f"{name}-{theme}-{width}.png", full_page=width < 500)
        if (name, theme, width) == ("environment", "light", 1280):
            page.screenshot(path=README)
    page.goto(f"{studio.url}/w/{WORKSPACE}/new/")
    page.get_by_role("textbox", name="Definition").fill(PASTED)
    page.locator("#review .finding").first.wait_for()
    page.screenshot(path=FOLDER / f"new-{theme}-{width}.png", full_page=width < 500)
    page.context.close()


if __name__ == "__main__":
    main()
