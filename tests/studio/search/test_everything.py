"""The page that searches everything, and what the palette shows of it: all that a person may see, and nothing else."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from environments.models import Role
from environments.versions.service import archive_environment
from tests.builds.scenarios import (
    browser_of,
    fail_build,
    main_of,
    person,
    queue_build,
    save_text,
    succeed_build,
)

pytestmark = pytest.mark.django_db
SEARCH = "/w/lab/search/"


@pytest.fixture
def olga() -> Client:
    return browser_of(person("olga", lab=Role.OWNER))


@pytest.fixture
def rita() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def links(browser: Client, query: str) -> dict[str, str]:
    """Return what a search offers, by title; commands with the form's URL."""
    page = main_of(browser.get(SEARCH, {"q": query}).content.decode())
    plain = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page)
    return {html.unescape(title): html.unescape(url) for url, title in plain}


def test_everything_is_reached_by_name_hash_digest_or_id(olga: Client) -> None:
    version = save_text("numpy==2.1.3\n", name="churn", description="Predicts")
    build = queue_build(version)
    image = succeed_build(build)
    save_text("numpy==2.2.0\n", name="churn")
    page = "/w/lab/environments/churn/"
    assert links(olga, "chur")["churn"] == page
    assert links(olga, "churn:1")["churn:1"] == f"{page}versions/1/"
    assert links(olga, version.hash[:10])["churn:1"] in (
        f"{page}versions/1/",
        f"/w/lab/images/?q={version.hash}",
    )
    assert f"/w/lab/images/?q={version.hash}" in links(olga, image.digest).values()
    assert f"/w/lab/images/?q={version.hash}" in links(olga, image.digest[7:17]).values()
    assert f"/w/lab/builds/{build.pk}/" in links(olga, str(build.pk)).values()
    assert f"/w/lab/builds/{build.pk}/" in links(olga, build.pk.hex[:6]).values()
    assert links(olga, "nump")["numpy"] == "/w/lab/packages/numpy/"
    assert links(olga, "numpy<2.2")["numpy"] == "/w/lab/packages/numpy/"
    assert links(olga, "olg")["olga"] == "/w/lab/settings/?tab=members"
    assert links(olga, "webhooks")["Webhooks"] == "/w/lab/settings/?tab=webhooks"
    assert links(olga, "new env")["New environment"] == "/w/lab/new/"


def test_commands_are_offered_to_those_who_may_use_them(olga: Client, rita: Client) -> None:
    assert "New environment" not in links(rita, "new env")
    assert links(rita, "olg") == {}
    assert "Webhooks" not in links(rita, "webhooks")
    page = rita.get(SEARCH, {"q": "theme"}).content.decode()
    assert 'name="theme" value="dark"' in page
    assert 'action="/logout/"' in main_of(rita.get(SEARCH, {"q": "sign out"}).content.decode())


def test_other_workspaces_and_archived_environments_stay_out(rita: Client) -> None:
    secret = save_text("secret-package==1\n", name="secret", workspace="other")
    image = succeed_build(queue_build(secret))
    archive_environment(save_text("numpy==1.0\n", name="gone").environment, person("owner"))
    for query in ("secret", secret.hash, image.digest, "secret:1", "secret-package", "gone"):
        results = {title: url for title, url in links(rita, query).items() if "versions=all" not in url}
        assert not {title for title in results if "secret" in title or title == "gone"}, query
        assert not any("/w/other/" in url for url in results.values()), query
    assert browser_of(person("stan", other=Role.OWNER)).get(SEARCH).status_code == 404


def test_the_catalogue_is_searched_too(rita: Client) -> None:
    save_text("torch==2.3.0\n", name="AzureML-pytorch", workspace="curated")
    assert links(rita, "pytorch")["pytorch"] == "/w/curated/environments/AzureML-pytorch/"
    assert links(rita, "package:torch")["pytorch"] == "/w/curated/environments/AzureML-pytorch/"


@pytest.mark.parametrize(
    "query",
    [
        "<script>alert(1)</script>",
        '"><img src=x>',
        "numpy<",
        "tag:",
        "a\0b",
        "x" * 100_000,
        "%",
        "\\",
        "'",
        "ﷺ" * 300,
        "0" * 64,
    ],
)
def test_hostile_queries_stay_text(rita: Client, query: str) -> None:
    save_text("numpy==2.1.3\n", description="<script>alert(1)</script>")
    for part in ("", "palette"):
        response = rita.get(SEARCH, {"q": query, "part": part})
        assert response.status_code in (200, 400)
        assert "<script>alert" not in response.content.decode()
        assert "<img src=x" not in response.content.decode()


def test_the_palette_gets_options_alone_and_says_how_many(olga: Client) -> None:
    fail_build(queue_build(save_text("nunpy==1\n", name="broken")))
    content = olga.get(SEARCH, {"q": "broken", "part": "palette"}).content.decode()
    assert "<html" not in content
    assert 'role="option"' in content
    ids = re.findall(r' id="([^"]+)"', content)
    assert len(ids) == len(set(ids))
    assert re.search(r"\d+ results?</span>", content)
    empty = olga.get(SEARCH, {"part": "palette"}).content.decode()
    assert "New environment" in empty


def test_a_search_asks_the_database_as_often_for_ten_as_for_two(
    olga: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(60) as counted:
            olga.get(SEARCH, {"q": "env", "part": "palette"})
        return len(counted)

    for number in range(10):
        succeed_build(queue_build(save_text(f"env==1.{number}\n", name=f"env-{number}")))
        if number == 1:
            count()
            two = count()
    assert count() == two <= 30
