"""Labels of versions in the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from environments.models import Role, Version, VersionLabel
from environments.versions.labels import set_label
from tests.builds.scenarios import browser_of, person, save_text
from tests.studio.api.calling import Caller

LABELS = "workspaces/lab/environments/forecast/labels/"
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


def test_the_api_sets_moves_lists_and_removes_labels(olga: User, both: tuple[Version, Version]) -> None:
    call = Caller(olga)
    assert call("GET", LABELS).json["results"] == []
    made = call("PUT", f"{LABELS}prod/", {"version": "2"})
    assert (made.status, made.json["version"], made.json["set_by"]) == (201, "lab/forecast:2", "olga")
    assert made.json["pull_name"] == "lab/forecast:prod"
    assert call("PUT", f"{LABELS}staging/", {"version": "prod"}).json["version"] == "lab/forecast:2"
    moved = call("PUT", f"{LABELS}prod/", {"version": "1"}, If_Match=made.headers["ETag"])
    assert (moved.status, on()) == (200, "1")
    late = call("PUT", f"{LABELS}prod/", {"version": "2"}, If_Match=made.headers["ETag"])
    assert (late.status, on()) == (412, "1")
    listed = call("GET", LABELS).json["results"]
    assert [(row["name"], row["version"]) for row in listed] == [
        ("prod", "lab/forecast:1"),
        ("staging", "lab/forecast:2"),
    ]
    versions = call("GET", "workspaces/lab/environments/forecast/versions/").json["results"]
    assert [row["labels"] for row in versions] == [["staging"], ["prod"]]
    assert call("DELETE", f"{LABELS}prod/").status == 204
    assert call("DELETE", f"{LABELS}prod/").status == 404


def test_the_api_takes_a_label_in_place_of_a_version(olga: User, both: tuple[Version, Version]) -> None:
    set_label(both[0], "prod", user=olga)
    call = Caller(olga)
    there = "workspaces/lab/environments/forecast/versions/prod/"
    assert call("GET", there).json["version"] == "1"
    assert call("GET", there).json["labels"] == ["prod"]
    assert b"2.1.3" in call("GET", f"{there}definition/").response.content
    assert call("POST", f"{there}builds/").json["build"]["version"] == "1"
    difference = call("GET", "diff/?a=lab/forecast:prod&b=lab/forecast:latest").json
    assert difference["packages"] == [
        {
            "name": "numpy",
            "ecosystem": "pip",
            "change": "upgraded",
            "level": "minor",
            "old": "2.1.3",
            "new": "2.2.0",
        }
    ]
    assert call("POST", f"{there}archive/").code == "labelled"


@pytest.mark.parametrize(
    ("label", "body", "status"),
    [
        ("latest", {"version": "1"}, 400),
        ("prod", {"version": "99"}, 404),
        ("prod", {}, 400),
        ("prod", {"version": "1\0"}, 400),
        ("prod", {"version": ["1"]}, 400),
        ("%3Cb%3E", {"version": "1"}, 400),
    ],
)
def test_the_api_refuses_what_is_no_label_or_no_version(
    olga: User, both: tuple[Version, Version], label: str, body: dict[str, Any], status: int
) -> None:
    assert Caller(olga)("PUT", f"{LABELS}{label}/", body).status == status
    assert not VersionLabel.objects.exists()


def test_readers_and_members_of_other_workspaces_change_no_label(both: tuple[Version, Version]) -> None:
    set_label(both[0], "prod", user=None)
    for caller, status in (
        (person("rita", lab=Role.READER), 403),
        (person("sam", other=Role.OWNER), 404),
    ):
        assert Caller(caller)("PUT", f"{LABELS}prod/", {"version": "2"}).status == status
        assert Caller(caller)("DELETE", f"{LABELS}prod/").status == status
        assert (
            browser_of(caller).post(PAGE, {"label": "prod", "seen": "1", "action": "remove"}).status_code
            == status
        )
    assert on() == "1"


def test_an_upload_of_the_same_content_ignores_labels(olga: User, both: tuple[Version, Version]) -> None:
    set_label(both[1], "prod", user=olga)
    again = save_text("numpy==2.2.0")
    assert again == both[1]
    assert Caller(olga)("GET", "workspaces/lab/environments/forecast/").json["latest"]["labels"] == ["prod"]
