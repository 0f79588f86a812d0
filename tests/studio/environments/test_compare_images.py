"""Comparing what images hold exactly: what went up, down, came and went, and how much there is to download."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from environments.models import Role
from tests.builds.scenarios import browser_of, person, save_text
from tests.studio.api.calling import Caller
from tests.studio.environments.test_search_by_content import built, locked

pytestmark = pytest.mark.django_db
ADDRESS = "/w/lab/compare/?a=lab/old:1&b=lab/new:1"


@pytest.fixture
def reader() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def two_images() -> None:
    built(
        "old",
        locked("numpy", "1.9.0", size=10_000_000),
        locked("scipy", "1.14", size=30_000_000),
        locked("six", "1.16.0"),
        locked("same", "1.0"),
        locked("openssl", "1.1.1w", ecosystem="conda"),
    )
    built(
        "new",
        locked("numpy", "1.10.0", size=12_000_000),
        locked("scipy", "1.13", size=29_000_000),
        locked("polars", "1.35", size=40_000_000),
        locked("same", "1.0"),
        locked("openssl", "1.1.1k", ecosystem="conda"),
    )


def test_each_package_says_which_way_it_went_and_what_it_weighs(reader: Client) -> None:
    two_images()
    answer = json.loads(reader.get(f"{ADDRESS}&format=json").content)["resolved"]
    assert {(change["name"], change["change"], change["size"]) for change in answer["packages"]} == {
        ("numpy", "upgraded", 2_000_000),
        ("scipy", "downgraded", -1_000_000),
        ("polars", "added", 40_000_000),
        ("six", "removed", -1_000_000),
        ("openssl", "downgraded", 0),
    }
    assert answer["summary"] == "1 upgraded, 2 downgraded, 1 added, 1 removed"
    assert answer["size"] == 40_000_000
    page = reader.get(ADDRESS).content.decode()
    assert "1 upgraded, 2 downgraded, 1 added, 1 removed" in page
    assert "40 MB larger to download" in page
    assert "same" not in page.partition("Packages in the images")[2].partition("</table>")[0]


def test_without_an_image_the_page_says_so_and_still_compares_the_definitions(reader: Client) -> None:
    built("old", locked("numpy", "1.0"))
    save_text("numpy==2.0\n", name="new")
    page = reader.get(ADDRESS).content.decode()
    assert "built yet. Build it to compare the exact packages." in page
    assert "Packages in the definition" in page
    assert json.loads(reader.get(f"{ADDRESS}&format=json").content)["resolved"] is None


def test_two_names_of_one_content_have_one_image(reader: Client) -> None:
    built("old", locked("numpy", "1.0"), text="numpy==1.0\n")
    save_text("numpy==1.0\n", name="new")
    assert json.loads(reader.get(f"{ADDRESS}&format=json").content)["resolved"]["same_image"] is True
    assert "Same image" in reader.get(ADDRESS).content.decode()


def test_the_api_tells_it_too() -> None:
    two_images()
    call = Caller(person("rita", lab=Role.READER))
    answer = call("GET", "diff/?a=lab/old:1&b=lab/new:1").json
    assert answer["resolved"]["packages"][0]["name"] == "openssl"
