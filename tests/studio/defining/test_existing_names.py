"""A name that an environment has already: its page, and saving as its next version."""

from __future__ import annotations

import pytest
from django.test import Client

from builds.models import Build
from environments.models import Environment, Role, Version
from environments.versions.service import archive_environment
from tests.builds.scenarios import browser_of, person, save_text, workspace_named

pytestmark = pytest.mark.django_db

NEW = "/w/lab/new/"
CHECK = "/w/lab/check"
NOTE = "already exists in Lab"


@pytest.fixture
def contributor() -> Client:
    return browser_of(person("carla", lab=Role.CONTRIBUTOR))


def form(**values: object) -> dict[str, object]:
    return {"text": "numpy==2.2.0\n", "name": "forecast", "workspace": "lab", "action": "save", **values}


def test_a_check_says_that_the_name_exists_and_which_version_comes_next(contributor: Client) -> None:
    save_text("numpy==2.1.3\n")
    page = contributor.post(CHECK, form()).content.decode()
    assert '<a href="/w/lab/environments/forecast/">forecast</a> already exists in Lab.' in page
    assert "Save as version 2" in page
    assert NOTE not in contributor.post(CHECK, form(name="another")).content.decode()


def test_the_name_in_the_file_counts_too(contributor: Client) -> None:
    save_text("numpy==2.1.3\n")
    text = "name: forecast\nchannels: [conda-forge]\ndependencies: [python=3.12]\n"
    assert NOTE in contributor.post(CHECK, form(text=text, name="")).content.decode()


def test_a_taken_name_is_refused_with_both_ways_on(contributor: Client) -> None:
    save_text("numpy==2.1.3\n")
    response = contributor.post(NEW, form())
    page = response.content.decode()
    assert response.status_code == 422
    assert "“forecast” already exists. Save as version 2, or choose another name." in page
    assert 'href="/w/lab/environments/forecast/"' in page
    assert 'value="build-next"' in page
    assert Version.objects.count() == 1


@pytest.mark.parametrize(("action", "builds"), [("next", 0), ("build-next", 1)])
def test_it_is_saved_as_the_next_version(contributor: Client, action: str, builds: int) -> None:
    save_text("numpy==2.1.3\n")
    response = contributor.post(NEW, form(action=action, next_of="forecast", tags="a=b"))
    assert response.status_code == 302
    version = Version.objects.get(version="2")
    assert (str(version), version.tags, version.source) == ("forecast:2", {"a": "b"}, "numpy==2.2.0\n")
    assert Build.objects.count() == builds


def test_a_name_that_was_changed_after_the_choice_is_a_new_environments(contributor: Client) -> None:
    save_text("numpy==2.1.3\n")
    save_text("numpy==2.1.3\n", name="other")
    assert contributor.post(NEW, form(name="fresh", action="next", next_of="forecast")).status_code == 302
    assert Version.objects.filter(environment__name="fresh").count() == 1
    # It never becomes the next version of an environment that was not named.
    assert contributor.post(NEW, form(name="other", action="next", next_of="forecast")).status_code == 422
    assert contributor.post(NEW, form(name="other", action="save", next_of="other")).status_code == 422
    assert Version.objects.filter(environment__name="other").count() == 1


def test_the_same_content_makes_no_next_version(contributor: Client) -> None:
    save_text("numpy==2.2.0\n")
    response = contributor.post(NEW, form(action="next", next_of="forecast"), follow=True)
    assert "forecast:1 has this content already" in response.content.decode()
    assert Version.objects.count() == 1


def test_an_archived_environment_offers_no_next_version(contributor: Client) -> None:
    user = save_text("numpy==2.1.3\n", user=person("dana")).created_by
    assert user is not None
    archive_environment(Environment.objects.get(), user)
    assert NOTE not in contributor.post(CHECK, form()).content.decode()
    page = contributor.post(NEW, form()).content.decode()
    assert NOTE not in page
    assert "There is an environment forecast" in page


@pytest.mark.parametrize(
    "name", ["\0", "'\"><script>alert(1)</script>", "../..", "x" * 5000, "%00", "forecast:1"]
)
def test_any_text_can_be_checked_as_a_name(contributor: Client, name: str) -> None:
    response = contributor.post(CHECK, form(name=name))
    assert response.status_code == 200
    assert "<script>alert" not in response.content.decode()


def test_environments_of_other_workspaces_are_not_given_away(contributor: Client) -> None:
    save_text("numpy==2.1.3\n", workspace="secret")
    for address in (CHECK, NEW):
        response = contributor.post(address, form(workspace="secret", action="next", next_of="forecast"))
        assert "already exists" not in response.content.decode()
    assert Version.objects.count() == 1


def test_a_reader_saves_no_next_version() -> None:
    save_text("numpy==2.1.3\n")
    reader = browser_of(person("rita", lab=Role.READER))
    assert reader.post(NEW, form(action="next", next_of="forecast")).status_code == 403
    assert Version.objects.count() == 1


def test_the_api_saves_the_next_version_of_an_existing_name(contributor: Client) -> None:
    save_text("numpy==2.1.3\n")
    workspace_named("lab")
    address = "/api/v1/workspaces/lab/environments/forecast/versions/"
    response = contributor.post(address, {"text": "numpy==2.2.0\n"}, content_type="application/json")
    assert response.status_code == 201, response.content
    assert response.json()["version"] == "2"
