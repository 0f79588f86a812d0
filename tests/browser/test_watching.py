"""One build, looked at and waited for in two browsers (issue 5 point 1, issue 7 point 5)."""

from __future__ import annotations

import re
import socket

from playwright.sync_api import Browser, Page, expect

from tests.browser.visiting import editor_of, sign_in
from tests.services.processes import free_port
from tests.services.studio import Studio


def test_two_watch_a_build_and_it_goes_on_until_the_second_has_cancelled(
    browser: Browser, page: Page, studio: Studio
) -> None:
    context = browser.new_context()
    hers, his = page, context.new_page()
    sign_in(hers, studio, "olga", "lab")
    sign_in(his, studio, "otto", "lab")
    port = free_port()
    # An index that takes connections and never says a word.
    with socket.create_server(("127.0.0.1", port)):
        definition = f"--index-url http://127.0.0.1:{port}/simple\nwatched==1.0\n"
        for person, name in ((hers, "watched"), (his, "watched-too")):
            person.goto(f"{studio.url}/w/lab/new/")
            editor_of(person).fill(definition)
            person.get_by_label("Name", exact=True).fill(name)
            person.get_by_role("button", name="Create and build").click()
            expect(person).to_have_title(re.compile("Building: watched:1"))
        assert his.url == hers.url
        for person in (hers, his):
            expect(person.get_by_text("Requested by olga, otto (for watched-too:1), ")).to_be_visible()
            expect(person.locator("#L1")).to_be_visible()

        hers.get_by_role("button", name="Stop waiting").click()
        expect(his.get_by_text("Requested by otto")).to_be_visible()
        expect(his).to_have_title(re.compile("Building: watched:1"))

        his.get_by_role("button", name="Cancel build").click()
        for person in (hers, his):
            expect(person).to_have_title(re.compile("Cancelled: watched:1"))
            expect(person.get_by_text("Build cancelled.")).to_be_visible()
    context.close()
