"""Protected labels: only owners set, move and remove them; and references by `@`, and a label's history."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from environments.errors import ServiceError
from environments.models import Event, Role, Version, VersionLabel, Workspace
from environments.versions.labels import remove_label, set_label
from environments.workspaces.sharing import set_opened, set_protected_labels
from tests.builds.scenarios import browser_of, image_for, person, save_text, workspace_named

API = "/api/v1/workspaces/lab/"
LABEL = f"{API}environments/forecast/labels/prod/"
PAGE = "/w/lab/environments/forecast/versions/2/label/"


@pytest.fixture
def olga(db: None) -> User:
    cache.clear()
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def ines(db: None) -> User:
    return person("ines", lab=Role.OWNER)


@pytest.fixture
def both(olga: User) -> tuple[Version, Version]:
    first, second = save_text("numpy==2.1.3"), save_text("numpy==2.2.0")
    set_label(first, "prod", user=None)
    return first, second


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(ServiceError) as problem:
        act()
    return problem.value.code


def protect(*names: str) -> None:
    set_protected_labels(workspace_named("lab"), names, None)


def test_only_owners_move_set_and_remove_a_protected_label(
    olga: User, ines: User, both: tuple[Version, Version]
) -> None:
    protect("prod")
    first, second = both
    assert refused(lambda: set_label(second, "prod", user=olga)) == "label-protected"
    assert refused(lambda: remove_label(first.environment, "prod", user=olga)) == "label-protected"
    set_label(second, "staging", user=olga)
    set_label(second, "prod", user=ines)
    remove_label(first.environment, "prod", user=ines)
    assert refused(lambda: set_label(first, "prod", user=olga)) == "label-protected"


def test_pages_and_the_api_refuse_contributors_and_admins_and_owners_pass(
    olga: User, ines: User, both: tuple[Version, Version]
) -> None:
    protect("prod")
    body = json.dumps({"version": "2"})
    assert browser_of(olga).put(LABEL, body, "application/json").status_code == 403
    assert browser_of(olga).delete(LABEL).status_code == 403
    page = browser_of(olga).get(f"{PAGE}?label=prod").content.decode()
    assert "Only owners of Lab move" in page
    assert "Move to version 2" not in page
    assert browser_of(olga).post(PAGE, {"label": "prod", "seen": "1"}).status_code == 403
    assert VersionLabel.objects.get().version == both[0]
    assert browser_of(ines).put(LABEL, body, "application/json").status_code == 200
    admin = User.objects.create_superuser("admin")
    assert browser_of(admin).post(PAGE, {"label": "prod", "action": "remove"}).status_code == 302


def test_no_version_takes_the_name_of_a_protected_label(olga: User) -> None:
    protect("prod")
    assert refused(lambda: save_text("six", version="prod")) == "version-is-label"
    assert str(save_text("six", version="rc1")) == "forecast:rc1"


def test_owners_choose_the_labels_with_an_event_and_others_cannot(olga: User, ines: User) -> None:
    there = "/w/lab/settings/labels"
    assert browser_of(ines).post(there, {"labels": " prod, staging prod\n"}).status_code == 302
    workspace = Workspace.objects.get(name="lab")
    assert workspace.protected_labels == ["prod", "staging"]
    assert Event.objects.get(verb="workspace.labels").after == {"protected_labels": ["prod", "staging"]}
    for typed in (
        "latest",
        "Prod",
        "1.2",
        "<script>alert(1)</script>",
        "a" * 65,
        " ".join(f"l{n}" for n in range(51)),
    ):
        answer = browser_of(ines).post(there, {"labels": typed})
        assert answer.status_code == 422, typed
        assert "<script>alert(1)" not in answer.content.decode()
    assert browser_of(olga).post(there, {"labels": "prod"}).status_code == 403
    assert "Only owners set" in browser_of(olga).get("/w/lab/settings/?tab=sharing").content.decode()
    settings = f"{API}sharing/"
    given = browser_of(ines).patch(settings, json.dumps({"protected_labels": []}), "application/json")
    assert given.json() == {"opened": False, "receives_shares": True, "protected_labels": []}
    assert browser_of(olga).get(settings).json() == given.json()
    for sent in ({"protected_labels": ["a/b"]}, {"protected_labels": "prod"}, {"protected_labels": ["a\0"]}):
        assert browser_of(ines).patch(settings, json.dumps(sent), "application/json").status_code == 400
    assert browser_of(olga).patch(settings, "{}", "application/json").status_code == 403


def test_owners_open_a_workspace_as_a_registry_and_close_it(olga: User, ines: User) -> None:
    there = "/w/lab/settings/opened"
    assert browser_of(olga).post(there, {"opened": "on"}).status_code == 403
    browser_of(ines).post(there, {"opened": "on"})
    assert Workspace.objects.get(name="lab").opened
    assert not set_opened(Workspace.objects.get(name="lab"), True, ines)
    browser_of(ines).patch(f"{API}sharing/", json.dumps({"opened": False}), "application/json")
    assert not Workspace.objects.get(name="lab").opened
    assert Event.objects.filter(verb="workspace.opened").count() == 2
    # It gives no rights: a stranger sees as little as before.
    set_opened(Workspace.objects.get(name="lab"), True, ines)
    assert browser_of(person("sven")).get(f"{API}environments/").status_code == 404


# References


def test_a_label_is_a_reference_behind_an_at_sign(olga: User, both: tuple[Version, Version]) -> None:
    browser = browser_of(olga)
    compared = browser.get("/api/v1/diff/?a=lab/forecast@prod&b=lab/forecast@latest").json()
    assert [(row["old"], row["new"]) for row in compared["packages"]] == [("2.1.3", "2.2.0")]
    assert browser.get("/w/lab/compare/?a=lab/forecast@prod&b=lab/forecast@latest").status_code == 200
    assert "numpy==2.1.3" in browser.get("/w/lab/new/?from=lab/forecast@prod").content.decode()
    sent = json.dumps({"text": "six", "based_on": "lab/forecast@prod"})
    saved = browser.post(f"{API}environments/other/versions/", sent, "application/json").json()
    assert saved["based_on"] == "lab/forecast:1"
    for wrong in (
        "lab/forecast@2",
        "lab/forecast@",
        "lab/forecast@none",
        "lab/@prod",
        "lab/forecast@prod@prod",
    ):
        assert browser.get(f"/api/v1/diff/?a={wrong}&b=lab/forecast:1").status_code == 404, wrong
    assert browser.get(f"{API}environments/forecast/versions/prod/").json()["version"] == "1"


# History


def test_the_history_of_a_label_is_on_its_page_and_in_the_api(
    olga: User, both: tuple[Version, Version]
) -> None:
    first, second = both
    image_for(second)
    set_label(second, "prod", user=olga)
    set_label(second, "staging", user=olga)
    page = browser_of(olga).get(f"{PAGE}?label=prod").content.decode()
    assert "History" in page
    assert "staging" not in page.partition("history-head")[2].partition("</section>")[0]
    assert "?a=lab/forecast%3A1&amp;b=lab/forecast%3A2" in page
    remove_label(first.environment, "prod", user=olga)
    rows = browser_of(olga).get(f"{LABEL}history/").json()["results"]
    assert [(row["by"], row["before"], row["after"]) for row in rows] == [
        ("olga", "2", None),
        ("olga", "1", "2"),
        (None, None, "1"),
    ]
    assert browser_of(person("sven")).get(f"{LABEL}history/").status_code == 404
