"""The columns of the list of environments: chosen in the address, and kept by all that leads on from it."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from environments.models import Role
from environments.versions.uses import report_use
from tests.builds.scenarios import browser_of, person, queue_build, save_text, succeed_build
from tests.studio.html import collapsed

pytestmark = pytest.mark.django_db
LIST = "/w/lab/environments/"


@pytest.fixture
def browser() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def text_of(browser: Client, query: str = "", **headers: str) -> str:
    return html.unescape(collapsed(browser.get(LIST + query, headers=headers).content.decode()))


def headings(page: str) -> list[str]:
    head = page.split("<thead>")[1].split("</thead>")[0]
    return [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<th.*?</th>", head, re.DOTALL)]


def test_who_chooses_nothing_sees_the_usual_columns(browser: Client) -> None:
    save_text("numpy==2.1.3", description="Nightly", tags={"team": "nord"})
    page = text_of(browser)
    assert headings(page) == ["Name", "Base", "Packages", "Image", "Size", "Changed"]
    assert "Nightly" in page
    assert "team=nord" in page
    assert text_of(browser, "?column=nonsense").count("<th ") == page.count("<th ")


def test_the_address_says_which_columns_there_are(browser: Client) -> None:
    version = save_text("numpy==2.1.3", description="Nightly", tags={"team": "nord"})
    report_use(version, "run", "train", workspace=version.environment.workspace, user=None)
    succeed_build(queue_build(version))
    page = text_of(browser, "?column=by&column=uses&column=kind")
    assert headings(page) == ["Name", "Kind", "Used by", "By"]
    assert "Nightly" not in page
    assert "team=nord" not in page
    assert '?tab=uses&state=active">1</a>' in page
    assert len(re.findall(r'name="column" value="\w+" checked', page)) == 3


def test_tabs_orders_and_pages_keep_the_columns(browser: Client) -> None:
    for number in range(26):
        save_text("numpy==2.1.3", name=f"env-{number}")
    page = text_of(browser, "?column=kind&column=changed")
    for link in ("?tab=curated&column=kind&column=changed", "?column=kind&column=changed&page=2"):
        assert f'href="{link}"' in page or f'href="{LIST}{link}"' in page, link
    assert re.search(r'href="/w/lab/environments/\?column=kind&column=changed&sort=kind"', page)
    assert "column=kind" in text_of(browser, "?q=nothing-has-this&column=kind").split("No matches")[1]


def test_htmx_gets_the_short_url_to_push(browser: Client) -> None:
    save_text("numpy==2.1.3")
    usual = "&".join(f"column={name}" for name in
                     ("description", "tags", "base", "packages", "image", "size", "changed", "by"))  # fmt: skip
    for query, kept in (
        (f"?q=&sort=-changed&{usual}", "?sort=-changed"),
        (f"?q=&{usual}", ""),
        ("?q=num&column=kind", "?q=num&column=kind"),
    ):
        answer = browser.get(LIST + query, headers={"HX-Request": "true"})
        assert answer.headers["HX-Push-Url"] == LIST + kept
        # The tabs above the list come along, so that they lead where the new columns are.
        assert 'id="environments-tabs" hx-swap-oob="true"' in answer.content.decode()
    assert "hx-swap-oob" not in text_of(browser)


def test_what_is_not_shown_is_not_looked_for(
    browser: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    save_text("numpy==2.1.3")
    text_of(browser)  # the session notes the workspace once
    asks = []
    for query in ("", "?column=kind", "?column=kind&column=uses"):
        with django_assert_max_num_queries(100) as counted:
            text_of(browser, query)
        asks.append(len(counted))
    assert asks[1] < asks[2] < asks[0]
