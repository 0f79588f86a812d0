"""The pages of environments: who may see and do what, what they show, what the forms keep."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import DjangoAssertNumQueries

from builds.models import Build
from environments.models import Role, Version
from environments.versions.listing import update_listing
from environments.versions.service import archive_environment
from tests.builds.scenarios import browser_of, fail_build, person, queue_build, save_text, succeed_build
from tests.studio.html import collapsed

pytestmark = pytest.mark.django_db

LIST = "/w/lab/environments/"
PAGE = "/w/lab/environments/forecast/"
NEW = "/w/lab/new/"
EDIT = "/w/lab/environments/forecast/versions/1/edit/"
TEXT = "numpy==2.1.3\n"


@pytest.fixture
def contributor() -> Client:
    return browser_of(person("carla", lab=Role.CONTRIBUTOR))


@pytest.fixture
def reader() -> Client:
    return browser_of(person("rita", lab=Role.READER))


@pytest.fixture
def stranger() -> Client:
    return browser_of(person("stan", other=Role.OWNER))


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return collapsed(response.content.decode())


# Access


@pytest.mark.parametrize(
    "path",
    [LIST, PAGE, f"{PAGE}versions/1/", NEW, EDIT, "/w/lab/compare/", "/w/lab/activity/"],
)
def test_a_stranger_gets_404(stranger: Client, path: str) -> None:
    save_text(TEXT)
    assert stranger.get(path).status_code == 404


@pytest.mark.parametrize("path", [LIST, PAGE, NEW, EDIT, "/", "/w/lab/compare/", "/w/lab/activity/"])
def test_who_is_not_signed_in_is_asked_to(path: str) -> None:
    save_text(TEXT)
    response = browser_of(None).get(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=")


def test_a_reader_sees_everything_and_no_button_that_writes(reader: Client) -> None:
    save_text(TEXT)
    page = text_of(reader, PAGE)
    assert "numpy" in text_of(reader, f"{PAGE}?tab=context")
    for word in ("<span>Build</span>", "<span>Edit</span>", "<span>Archive</span>", "New environment"):
        assert word not in page + text_of(reader, LIST)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", NEW),
        ("post", NEW),
        ("get", EDIT),
        ("post", EDIT),
        ("post", "/w/lab/first"),
        ("post", f"{PAGE}archive"),
        ("post", f"{PAGE}versions/1/archive"),
        ("post", f"{PAGE}versions/1/describe"),
        ("post", f"{PAGE}versions/1/build"),
        ("get", f"{PAGE}versions/1/rebuild/"),
    ],
)
def test_a_reader_may_not_write(reader: Client, method: str, path: str) -> None:
    save_text(TEXT)
    assert getattr(reader, method)(path).status_code == 403
    assert Version.objects.count() == 1
    assert not Build.objects.exists()


@pytest.mark.parametrize(
    "path", ["/w/lab/first", f"{PAGE}archive", f"{PAGE}versions/1/describe", "/w/lab/check"]
)
def test_opening_an_address_changes_nothing(contributor: Client, path: str) -> None:
    save_text(TEXT)
    assert contributor.get(path).status_code == 405


# The list


def test_an_empty_workspace_says_what_it_is_for_and_builds_something_real(contributor: Client) -> None:
    assert "Build a sample environment" in text_of(contributor, LIST)
    response = contributor.post("/w/lab/first")
    build = Build.objects.get()
    assert response["Location"] == reverse("builds:build", args=["lab", build.pk])
    assert build.version.environment.name == "first-environment"
    assert build.version.packages == 2


def test_the_first_button_pressed_twice_makes_one_environment_and_one_build(contributor: Client) -> None:
    contributor.post("/w/lab/first")
    contributor.post("/w/lab/first")
    assert Version.objects.count() == Build.objects.count() == 1


def test_the_list_says_of_each_environment_whether_it_has_an_image(contributor: Client) -> None:
    succeed_build(queue_build(save_text("numpy==2.1.3\n", name="ready-one")))
    fail_build(queue_build(save_text("nunpy==1\n", name="failed-one")))
    queue_build(save_text("scipy==1.14.1\n", name="queued-one"))
    save_text("six==1.16.0\n", name="never-built")
    page = text_of(contributor, LIST)
    rows = {name: page.split(f">{name}</a>")[1].split("</tr>")[0] for name in
            ("ready-one", "failed-one", "queued-one", "never-built")}  # fmt: skip
    assert "Ready" in rows["ready-one"]
    assert "88 MB" in rows["ready-one"]
    assert "Failed" in rows["failed-one"]
    assert "Queued" in rows["queued-one"]
    assert "Not built" in rows["never-built"]


@pytest.mark.parametrize(
    "query", ["fore", "FORECAST", "nightly", "team", "forecasting", "numpy", "fore nightly"]
)
def test_search_finds_by_name_tag_description_and_text(contributor: Client, query: str) -> None:
    save_text(TEXT, description="Runs nightly", tags={"team": "forecasting"})
    save_text("six==1.16.0\n", name="other")
    page = text_of(contributor, f"{LIST}?q={query}")
    assert ">forecast</a>" in page
    assert ">other</a>" not in page


def test_a_search_without_result_says_so_and_offers_the_way_back(contributor: Client) -> None:
    save_text(TEXT)
    page = text_of(contributor, f"{LIST}?q=<script>")
    assert "No matches" in page
    assert "Search all versions" in page
    assert "<script>”" not in page


def test_archived_environments_are_hidden_by_default(contributor: Client) -> None:  # rule 33
    archive_environment(save_text(TEXT).environment, person("owner"))
    assert ">forecast</a>" not in text_of(contributor, LIST)
    assert ">forecast</a>" in text_of(contributor, f"{LIST}?archived=1")
    assert "Archived" in text_of(contributor, PAGE)


def test_anonymous_environments_are_not_listed(contributor: Client) -> None:  # rule 32
    environment = save_text(TEXT).environment
    environment.anonymous = True
    environment.save(update_fields=["anonymous"])
    update_listing(environment)
    assert ">forecast</a>" not in text_of(contributor, f"{LIST}?archived=1")


def test_the_list_shows_the_latest_version_and_sorts_as_asked(contributor: Client) -> None:
    save_text(TEXT, name="alpha")
    save_text("six==1.16.0\n", name="beta")
    save_text("numpy==2.2.0\npandas==2.2.3\n", name="alpha")
    rows = text_of(contributor, f"{LIST}?sort=-packages")
    assert rows.index(">alpha</a>") < rows.index(">beta</a>")
    assert 'title="Latest version">2<' in rows
    rows = text_of(contributor, f"{LIST}?sort=-name")
    assert rows.index(">beta</a>") < rows.index(">alpha</a>")


@pytest.mark.parametrize("path", ["\0", "a\0b/versions/1", "forecast/versions/\0"])
def test_an_address_with_a_nul_in_it_is_not_there(contributor: Client, path: str) -> None:
    save_text(TEXT)
    assert contributor.get(f"{LIST}{path}/").status_code == 404


@pytest.mark.parametrize("address", ["?sort=nonsense", "?page=99", "?page=x", "?tab=nonsense", "?q=%00"])
def test_an_address_that_makes_no_sense_still_shows_the_list(contributor: Client, address: str) -> None:
    save_text(TEXT)
    assert contributor.get(LIST + address).status_code == 200


def test_the_list_asks_the_database_as_often_for_ten_as_for_three(
    contributor: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        succeed_build(queue_build(save_text(f"numpy==1.{number}.0\n", name=f"env-{number}")))
    contributor.get(LIST)  # the session notes the workspace once
    with django_assert_max_num_queries(100) as three:
        contributor.get(LIST)
    for number in range(3, 10):
        succeed_build(queue_build(save_text(f"numpy==1.{number}.0\n", name=f"env-{number}")))
    with django_assert_max_num_queries(100) as ten:
        contributor.get(LIST)
    assert len(ten) == len(three) <= 18


def test_the_curated_tab_lists_the_catalogue_without_its_prefix(contributor: Client) -> None:
    save_text(TEXT, name="AzureML-sklearn-1.5", workspace="curated")
    page = text_of(contributor, f"{LIST}?tab=curated")
    assert ">sklearn-1.5</a>" in page
    assert "/w/curated/environments/AzureML-sklearn-1.5/" in page


def test_a_curated_environment_keeps_the_frame_of_the_workspace_one_works_in(contributor: Client) -> None:
    save_text(TEXT, name="AzureML-sklearn-1.5", workspace="curated")
    contributor.get(LIST)
    page = text_of(contributor, "/w/curated/environments/AzureML-sklearn-1.5/")
    assert 'href="/w/lab/builds/"' in page
    assert "/w/lab/new/?from=curated/AzureML-sklearn-1.5%3A1" in page


# One environment


@pytest.mark.parametrize(
    "tab", ["details", "context", "packages", "versions", "builds", "activity", "nonsense"]
)
def test_every_tab_opens_with_and_without_an_image(contributor: Client, tab: str) -> None:
    version = save_text(TEXT)
    text_of(contributor, f"{PAGE}?tab={tab}")
    succeed_build(queue_build(version))
    assert "state-good" in text_of(contributor, f"{PAGE}?tab={tab}")


def test_the_page_shows_the_images_details_and_every_version_that_shares_it(
    contributor: Client,
) -> None:  # rule 11
    version = save_text(TEXT)
    image = succeed_build(queue_build(version))
    save_text(TEXT, name="twin")
    page = text_of(contributor, PAGE)
    for shown in (image.digest, "88 MB", "/opt/env/bin/python", "forecast:1", "twin:1"):
        assert shown in page
    by_name, by_digest, by_hash = (
        page.index(f"testserver/lab/{name} ")
        for name in (
            "forecast:1",
            f"forecast:1@{image.digest}",
            f"azureml/azureml_{version.hash}:latest",
        )
    )
    # Names for machines are folded, behind what people use.
    assert by_name < by_digest < by_hash
    assert "numpy" in text_of(contributor, f"{PAGE}?tab=packages")


def test_description_and_tags_change_in_place_and_the_hash_stays(contributor: Client) -> None:  # rules 3, 30
    version = save_text(TEXT)
    contributor.post(f"{PAGE}versions/1/describe", {"description": "New words", "tags": "a=1, b"})
    version.refresh_from_db()
    assert (version.description, version.tags) == ("New words", {"a": "1", "b": ""})
    assert Version.objects.get().hash == version.hash


def test_tags_without_a_name_are_refused_and_nothing_changes(contributor: Client) -> None:
    save_text(TEXT, tags={"a": "1"})
    response = contributor.post(f"{PAGE}versions/1/describe", {"tags": "=2"}, follow=True)
    assert "has no name" in response.content.decode()
    assert Version.objects.get().tags == {"a": "1"}


def test_an_archived_environment_is_still_readable_and_comes_back(contributor: Client) -> None:  # rule 33
    save_text(TEXT)
    contributor.post(f"{PAGE}archive")
    assert "Restore" in text_of(contributor, PAGE)
    response = contributor.post(f"{PAGE}versions/1/archive", {"restore": "yes"}, follow=True)
    assert "Restore the environment" in response.content.decode()
    contributor.post(f"{PAGE}archive", {"restore": "yes"})
    assert ">forecast</a>" in text_of(contributor, LIST)


def test_one_version_is_archived_and_brought_back_on_the_timeline(contributor: Client) -> None:  # rule 33
    save_text("numpy==2.1.3\n")
    save_text("numpy==2.2.0\n")
    timeline = f"{PAGE}?tab=versions"
    address = f"{PAGE}versions/2/archive"
    assert f'formaction="{address}" >' in text_of(contributor, timeline)
    answer = contributor.post(address, follow=True)
    assert answer.redirect_chain == [(f"{timeline}#version-2", 302)]
    page = collapsed(answer.content.decode())
    assert "forecast:2 is archived" in page
    assert f'formaction="{address}" name="restore" value="yes">' in page
    assert text_of(contributor, PAGE).count("forecast:1") > 0  # it is the latest now
    assert (
        "forecast:2 is restored"
        in contributor.post(address, {"restore": "yes"}, follow=True).content.decode()
    )


def test_the_timeline_offers_no_archiving_to_readers_nor_where_all_of_it_is_archived(
    reader: Client, contributor: Client
) -> None:
    version = save_text(TEXT)
    assert "formaction" not in text_of(reader, f"{PAGE}?tab=versions")
    archive_environment(version.environment, person("owner"))
    assert "formaction" not in text_of(contributor, f"{PAGE}?tab=versions")


# Comparing


def test_two_versions_are_compared_by_address(contributor: Client) -> None:
    save_text("numpy==2.1.3\nsix==1.16.0\n")
    save_text("numpy==2.2.0\npandas==2.2.3\n")
    page = text_of(contributor, "/w/lab/compare/?a=lab/forecast:1&b=lab/forecast:2")
    for word in ("upgraded", "added", "removed", "2.1.3", "2.2.0", "new image"):
        assert word in page


def test_versions_of_different_environments_are_compared_as_json_too(contributor: Client) -> None:
    save_text(TEXT)
    save_text(TEXT, name="AzureML-twin", workspace="curated")
    address = "/w/lab/compare/?a=lab/forecast:1&b=curated/AzureML-twin:latest&format=json"
    answer = json.loads(contributor.get(address).content)
    assert answer["same_hash"] is True
    assert answer["packages"] == []


@pytest.mark.parametrize("reference", ["other/secret:1", "nonsense", "lab/none:1", "lab/forecast:9", "/:"])
def test_what_cannot_be_seen_cannot_be_compared(contributor: Client, reference: str) -> None:
    save_text(TEXT)
    save_text("six==1.16.0\n", name="secret", workspace="other")
    response = contributor.get("/w/lab/compare/", {"a": "lab/forecast:1", "b": reference})
    assert response.status_code == 404
    assert "that you can see" in response.content.decode()
    # Not the name alone: a token of the page may hold its letters.
    assert "six==" not in response.content.decode()


def test_activity_says_who_did_what(contributor: Client) -> None:
    contributor.post(NEW, {"text": TEXT, "name": "forecast", "workspace": "lab", "action": "build"})
    page = text_of(contributor, "/w/lab/activity/")
    assert "carla" in page
    assert "forecast:1" in page
    assert "requested a build of" in page


# Values are escaped


def test_what_people_type_is_never_markup(contributor: Client) -> None:
    save_text(TEXT, description="<script>alert(1)</script>", tags={"<b>": "<i>"})
    for path in (LIST, PAGE, EDIT, "/w/lab/compare/?a=<script>alert(1)</script>"):
        page = contributor.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<b>=" not in page
