"""The page that puts labels on versions, and the pages that show them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from environments.models import Role, Version, VersionLabel
from environments.versions.labels import set_label
from tests.builds.scenarios import browser_of, main_of, person, save_text

PAGE = "/w/lab/environments/forecast/versions/1/label/"


@pytest.fixture
def olga(db: None) -> User:
    cache.clear()
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def both(olga: User) -> tuple[Version, Version]:
    return save_text("numpy==2.1.3"), save_text("numpy==2.2.0")


def on(name: str = "prod") -> str:
    """Return the version that a label is on."""
    return VersionLabel.objects.get(name=name).version.version


def test_a_label_is_moved_back_with_one_click_and_a_confirmation(
    olga: User, both: tuple[Version, Version]
) -> None:
    set_label(both[1], "prod", user=olga)
    browser = browser_of(olga)
    timeline = browser.get("/w/lab/environments/forecast/?tab=versions").content.decode()
    assert f"{PAGE}?label=prod" in timeline
    page = main_of(browser.get(f"{PAGE}?label=prod").content.decode())
    assert "Move “prod” to version 1?" in page
    assert "1 downgraded · needs a new image" in page
    assert "the first pull builds it" in page
    response = browser.post(PAGE, {"label": "prod", "seen": "2"}, follow=True)
    assert "“prod” now means forecast:1." in response.content.decode()
    assert on() == "1"


def test_a_label_that_moved_after_the_page_was_opened_is_shown_where_it_is_now(
    olga: User, both: tuple[Version, Version]
) -> None:
    third = save_text("six")
    set_label(third, "prod", user=olga)  # the page showed version 2
    response = browser_of(olga).post(PAGE, {"label": "prod", "seen": "2"})
    page = main_of(response.content.decode())
    assert response.status_code == 409
    assert "“prod” was moved to forecast:3 by olga in the meantime." in page
    assert on() == "3"


def test_a_typed_label_that_is_elsewhere_is_confirmed_first(
    olga: User, both: tuple[Version, Version]
) -> None:
    set_label(both[1], "prod", user=olga)
    response = browser_of(olga).post(PAGE, {"label": "prod"})
    page = main_of(response.content.decode())
    assert "Move “prod” to version 1?" in page
    assert "notice-error" not in page
    assert on() == "2"


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "'\"><b>", "latest", "3"])
def test_a_typed_name_that_is_no_label_is_refused_and_escaped(
    olga: User, both: tuple[Version, Version], name: str
) -> None:
    response = browser_of(olga).post(PAGE, {"label": name})
    assert response.status_code == 422
    page = main_of(response.content.decode())
    assert "This label isn" in page
    assert "<script>alert" not in page
    assert "<b>" not in page


def test_pages_and_tabs_of_a_label_show_its_version(olga: User, both: tuple[Version, Version]) -> None:
    set_label(both[0], "prod", user=olga)
    browser = browser_of(olga)
    page = main_of(browser.get("/w/lab/environments/forecast/versions/prod/?tab=context").content.decode())
    assert "2.1.3" in page
    assert browser.get("/w/lab/environments/forecast/versions/staging/").status_code == 404
    page = main_of(browser.get("/w/lab/compare/?a=lab/forecast:prod&b=lab/forecast:latest").content.decode())
    assert "2.1.3" in page


def test_the_timeline_needs_as_many_queries_for_twenty_labelled_versions_as_for_two(
    olga: User, both: tuple[Version, Version], django_assert_max_num_queries: Any
) -> None:
    browser = browser_of(olga)
    set_label(both[0], "prod", user=olga)
    address = "/w/lab/environments/forecast/?tab=versions"
    with django_assert_max_num_queries(60) as few:
        browser.get(address)
    for number in range(18):
        version = save_text(f"six==1.{number}")
        set_label(version, f"l{number}", user=olga)
    with django_assert_max_num_queries(len(few)):
        browser.get(address)
