"""Anonymous environments (rule 32): the same definition once, never listed, named without a build, removed when unused."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from builds.images.expiry import remove_expired
from builds.images.repositories import environment_in, pull_names
from builds.models import Build, BuildRequest, Image
from builds.pages.sharing import sharing_of
from builds.queue.requests import request_build
from environments.errors import ServiceError
from environments.models import Environment, Event, Role, Version
from environments.models.environments import ANONYMOUS
from environments.versions.anonymous import fingerprint, save_anonymous, save_under_name
from environments.versions.input import read_input
from environments.versions.labels import set_label
from environments.versions.service import VersionTaken, archive_version
from environments.versions.uses import end_use, report_use
from tests.builds.scenarios import (
    browser_of,
    image_for,
    main_of,
    person,
    queue_build,
    save_text,
    succeed_build,
    workspace_named,
)

TEXT = "numpy==2.1.3\n"
API = "/api/v1/workspaces/lab/"


@pytest.fixture
def olga(db: None) -> User:
    cache.clear()
    return person("olga", lab=Role.CONTRIBUTOR)


def submitted(text: str = TEXT, **more: Any) -> Version:
    return save_anonymous(
        workspace_named("lab"), read_input(text, "requirements.txt"), user=None, **more
    ).version


def aged(version: Version, days: float = 91) -> Version:
    then = timezone.now() - timedelta(days=days)
    Version.objects.filter(pk=version.pk).update(submitted_at=then)
    BuildRequest.objects.filter(version=version).update(created_at=then)
    return version


def page_of(version: Version) -> str:
    return f"/w/lab/environments/{version.environment.name}/versions/{version.version}/"


def post(client: Client, path: str, sent: dict[str, object]) -> tuple[int, dict[str, object]]:
    answer = client.post(API + path, json.dumps(sent), "application/json")
    return answer.status_code, answer.json()


# Submitting


def test_the_same_definition_gives_the_same_version_and_a_single_event(olga: User) -> None:
    first, again = submitted(), submitted("numpy==2.1.3")
    assert first.pk == again.pk
    assert str(first) == f"{ANONYMOUS}:{fingerprint(first.definition)}"
    assert len(first.version) == 64
    assert submitted("numpy==2.2.0").pk != first.pk
    assert Event.objects.filter(verb="version.submitted", subject=str(first)).count() == 1


def test_definitions_that_share_an_image_but_not_their_serving_routes_are_two_versions(olga: User) -> None:
    serving = (
        "image: python:3.12\ninference_config:\n  liveness_route: {port: 80, path: /live}\n"
        "  readiness_route: {port: 80, path: /ready}\n  scoring_route: {port: 80, path: /score}\n"
    )
    workspace = workspace_named("lab")
    plain = save_anonymous(workspace, read_input("image: python:3.12\n", "e.yaml")).version
    served = save_anonymous(workspace, read_input(serving, "e.yaml")).version
    assert plain.hash == served.hash
    assert plain.pk != served.pk


def test_a_client_that_computes_the_version_gets_it_and_never_another_content(olga: User) -> None:
    mine = submitted(version="a" * 64)
    assert mine.version == "a" * 64
    assert submitted(version="a" * 64).pk == mine.pk
    with pytest.raises(VersionTaken):
        submitted("numpy==2.2.0", version="a" * 64)
    with pytest.raises(ServiceError):
        submitted(version="latest")
    with pytest.raises(ServiceError):
        submitted(version="../x")


def test_a_refused_definition_is_not_saved(olga: User) -> None:
    with pytest.raises(ServiceError) as problem:
        submitted("<<<<<<< HEAD\nnumpy\n")
    assert problem.value.code == "definition-refused"
    assert not Version.objects.exists()


def test_the_names_of_anonymous_and_other_environments_are_kept_apart(olga: User) -> None:
    with pytest.raises(ServiceError):
        save_text(TEXT, name=ANONYMOUS)
    submitted()
    with pytest.raises(ServiceError):
        save_text(TEXT, name=ANONYMOUS)
    named = save_text(TEXT)
    with pytest.raises(ServiceError) as problem:
        submitted(name="forecast")
    assert problem.value.code == "name-taken"
    submitted("scipy", name="inline")
    with pytest.raises(ServiceError):
        save_text(TEXT, name="inline")
    assert list(named.environment.versions.all()) == [named]
    with pytest.raises(ServiceError):
        submitted(name="AzureML-x")


def test_the_catalogue_has_no_anonymous_environments(olga: User) -> None:
    with pytest.raises(ServiceError):
        save_anonymous(workspace_named("curated"), read_input(TEXT))


def test_an_anonymous_version_is_neither_labelled_nor_archived(olga: User) -> None:
    for act in (
        lambda: set_label(submitted(), "prod", user=olga),
        lambda: archive_version(submitted(), olga),
    ):
        with pytest.raises(ServiceError) as problem:
            act()
        assert problem.value.code == "anonymous"


# Never listed


def test_no_list_search_or_count_shows_an_anonymous_environment(olga: User) -> None:
    version = submitted("scipy==1.14.1\n")
    image_for(version)
    save_text("numpy==2.1.3\n")
    browser = browser_of(olga)
    for path in (
        "environments/",
        "environments/?q=scipy&versions=all",
        "environments/?archived=1",
        "search/?q=scipy",
        f"search/?q={version.version[:20]}",
        "search/?q=CliV2",
        "packages/",
        "packages/?q=scipy",
        "packages/scipy/",
        "new/?source=start",
        "compare/",
        "images/",
    ):
        answer = browser.get(f"/w/lab/{path}")
        assert ANONYMOUS not in answer.content.decode(), path
        assert version.version not in main_of(answer.content.decode()).replace(f"“{version.version}”", ""), (
            path
        )
    for path in (
        "environments/",
        "environments/?q=scipy&all_versions=1",
        "environments/?archived=1",
        "images/",
    ):
        answer = browser.get(API + path)
        assert ANONYMOUS not in answer.content.decode(), path
    assert len(browser.get(f"{API}environments/").json()["results"]) == 1
    packages = browser.get("/api/v1/packages/?q=numpy").json()
    assert ANONYMOUS not in json.dumps(packages)
    assert version not in sharing_of(workspace_named("lab"), [version.hash], olga)[version.hash].every


@pytest.mark.parametrize("path", ["", "versions/", "labels/", "uses/", "versions/latest/"])
def test_an_anonymous_environment_has_no_page_and_no_list_of_its_versions(olga: User, path: str) -> None:
    submitted()
    assert browser_of(olga).get(f"{API}environments/{ANONYMOUS}/{path}").status_code == 404
    if path in ("", "versions/latest/"):
        assert browser_of(olga).get(f"/w/lab/environments/{ANONYMOUS}/{path}").status_code == 404
    assert environment_in(workspace_named("lab"), Environment.objects.get().repository) is None


def test_every_query_for_lists_leaves_anonymous_environments_out_by_the_same_method() -> None:
    """Nobody filters by the column itself: a list that forgets the method would show them."""
    root = Path(__file__).parents[3]
    allowed = {
        "environments/models/environments.py",
        "builds/images/expiry.py",
        "environments/versions/anonymous.py",
    }
    files = [file for part in ("studio", "builds", "environments") for file in (root / part).rglob("*.py")]
    texts = {
        str(file.relative_to(root)): file.read_text() for file in files if "migrations" not in file.parts
    }
    own = {
        name
        for name, text in texts.items()
        if "environment__anonymous=" in text or "anonymous=False)" in text
    }
    assert own <= allowed


# Fetched by name and version


def test_members_fetch_it_by_name_and_version_and_strangers_cannot(olga: User) -> None:
    version = submitted()
    image = image_for(version)
    there = f"{API}environments/{ANONYMOUS}/versions/{version.version}/"
    given = browser_of(olga).get(there).json()
    assert (given["anonymous"], given["pull_name"]) == (True, "")
    page = browser_of(olga).get(page_of(version)).content.decode()
    assert "Anonymous environment" in page
    assert "Save under a name" in page
    assert "?tab=versions" not in page
    assert browser_of(olga).get(page_of(version) + "?tab=versions").status_code == 200
    assert browser_of(olga).get(page_of(version) + "edit/").status_code == 404
    for tab in ("context", "packages"):
        assert browser_of(olga).get(f"{page_of(version)}?tab={tab}").status_code == 200
    assert (
        "Environment name"
        not in browser_of(person("rita", lab=Role.READER)).get(page_of(version)).content.decode()
    )
    stranger = browser_of(person("sven", other=Role.OWNER))
    assert stranger.get(there).status_code == stranger.get(page_of(version)).status_code == 404
    assert pull_names(image, "h.example", version).readable == ""


def test_it_is_shown_where_a_build_uses_it(olga: User) -> None:
    build = queue_build(submitted(), olga)
    assert ANONYMOUS in browser_of(olga).get("/w/lab/builds/").content.decode()
    assert browser_of(olga).get(f"/w/lab/builds/{build.pk}/").status_code == 200


# The API


def test_the_api_creates_it_once(olga: User) -> None:
    status, first = post(browser_of(olga), "anonymous/", {"text": TEXT})
    assert (status, first["environment"]) == (201, ANONYMOUS)
    status, second = post(browser_of(olga), "anonymous/", {"text": TEXT})
    assert (status, second["version"]) == (200, first["version"])
    assert post(browser_of(olga), "anonymous/", {"text": "<<<<<<< HEAD\nnumpy\n"})[0] == 400
    assert post(browser_of(olga), "anonymous/", {"text": TEXT, "version": "a/b"})[0] == 400
    assert post(browser_of(olga), "anonymous/", {"text": TEXT, "version": "a\0b"})[0] == 400
    assert post(browser_of(person("rita", lab=Role.READER)), "anonymous/", {"text": TEXT})[0] == 403
    assert post(browser_of(person("sven")), "anonymous/", {"text": TEXT})[0] == 404


# Save under a name


def test_it_is_saved_under_a_name_without_a_build(olga: User) -> None:
    version = submitted("# why\nnumpy==2.1.3\n")
    image = succeed_build(queue_build(version, olga))
    named = save_under_name(version, "forecast", user=olga).version
    assert (str(named), named.hash, named.source) == ("forecast:1", version.hash, version.source)
    assert named.based_on == version
    assert not named.environment.anonymous
    answered = request_build(named, olga)
    assert (answered.image, answered.reused) == (image, True)
    assert Build.objects.count() == 1
    with pytest.raises(ServiceError) as problem:
        save_under_name(named, "other", user=olga)
    assert problem.value.code == "named-already"


def test_the_api_and_the_page_save_it_under_a_name(olga: User) -> None:
    version = submitted()
    there = f"environments/{ANONYMOUS}/versions/{version.version}/name/"
    status, named = post(browser_of(olga), there, {"name": "forecast", "description": "For the team."})
    assert (status, named["version"], named["description"]) == (201, "1", "For the team.")
    assert post(browser_of(olga), there, {"name": "forecast", "only_new": True})[0] == 409
    assert post(browser_of(olga), there, {"name": "forecast"})[0] == 200
    assert post(browser_of(olga), there, {"name": ANONYMOUS})[0] == 409
    assert post(browser_of(olga), there, {"name": "a/b"})[0] == 400
    form = browser_of(olga).post(f"{page_of(version)}name", {"name": "second"})
    assert form.headers["Location"] == "/w/lab/environments/second/versions/1/"
    for typed in ("", "<script>alert(1)</script>", "azureml-x", "a\0b", "x" * 5000, ANONYMOUS):
        refused = browser_of(olga).post(f"{page_of(version)}name", {"name": typed})
        assert refused.status_code in (302, 422), typed
        assert "<script>alert(1)" not in refused.content.decode()
    assert (
        browser_of(person("rita", lab=Role.READER)).post(f"{page_of(version)}name", {"name": "x"}).status_code
        == 403
    )


# Removed when nothing uses it


def test_unused_versions_are_removed_after_the_days_with_an_event(olga: User) -> None:
    old, fresh = aged(submitted("a==1")), aged(submitted("b==1"), days=89)
    named = aged(save_text("c==1"))
    assert remove_expired() == 1
    assert set(Version.objects.all()) == {fresh, named}
    event = Event.objects.get(verb="version.expired")
    assert (event.subject, event.details["versions"]) == ("1 anonymous version", [str(old)])
    assert submitted("a==1").version == old.version


def test_submitting_again_and_requesting_a_build_count_as_uses(olga: User) -> None:
    again, built = aged(submitted("a==1")), aged(submitted("b==1"))
    submitted("a==1")
    request_build(built, olga)
    assert remove_expired() == 0
    assert {again, built} == set(Version.objects.all())


def test_a_version_that_was_ever_reported_as_used_stays(olga: User) -> None:
    version = aged(submitted())
    use = report_use(version, "run", "train-1", workspace=version.environment.workspace, user=olga).use
    end_use(use, olga)
    assert remove_expired() == 0
    assert "removes it on" not in browser_of(olga).get(page_of(version)).content.decode()


def test_the_setting_of_zero_keeps_them(olga: User, settings: Settings) -> None:
    settings.ANONYMOUS_DAYS = 0
    aged(submitted())
    assert remove_expired() == 0


def test_builds_that_a_named_version_shares_survive_the_removal(olga: User) -> None:
    version = submitted()
    build = queue_build(version, olga)
    named = save_under_name(version, "forecast", user=olga).version
    assert request_build(named, olga).joined
    succeed_build(build)
    aged(version)
    assert remove_expired() == 1
    build.refresh_from_db()
    assert build.version == named
    assert build.requests.get().version == named
    assert Image.objects.filter(hash=named.hash, current=True).exists()
    named.refresh_from_db()
    assert named.based_on is None
