"""Hostile bodies, labels and pages of lists, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from environments.models import Environment, Role, Version, VersionLabel
from environments.versions import service
from tests.builds.scenarios import person, save_text
from tests.studio.azure.v1.bodies import body
from tests.studio.azure.v1.calling import SdkCaller

pytestmark = pytest.mark.usefixtures("either_database")


@pytest.fixture
def olga(db: None) -> User:
    cache.clear()
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def sdk(olga: User) -> SdkCaller:
    return SdkCaller(olga)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b'"x"',
        b"null",
        b"\xff\xfe",
        b'{"Docker": {"baseImage": "\\ud800"}}',
        b"[" * 100_000,
        # At some of these depths Python reads the JSON, and has too little stack left to walk it.
        *(b'{"a":' * deep + b"1" + b"}" * deep for deep in (200, 500, 700, 5_000)),
        json.dumps(body(docker={"baseImage": "a\0b"})).encode(),
        json.dumps(body(docker={"baseImage": "x" * 1_000_000})).encode(),
        json.dumps(body(python={"condaDependencies": {"dependencies": [{"pip": [{}]}]}})).encode(),
        json.dumps(body(EnvironmentVariables={"A": {"B": 1}})).encode(),
        json.dumps(body(EnvironmentVariables={"A": "\0"})).encode(),
        json.dumps(body(docker={"arguments": ["\0"]})).encode(),
        json.dumps(body(r={"rVersion": "3"})).encode(),
        json.dumps(body(docker={"buildContext": {"location": "https://evil.example/x/"}})).encode(),
    ],
)
def test_hostile_bodies_are_refused_in_the_envelope(sdk: SdkCaller, sent: bytes) -> None:
    status, answer = sdk("PUT", "forecast", sent)
    assert status == 400
    assert set(answer["error"]) >= {"code", "message"}
    assert not Version.objects.exists()


@pytest.mark.parametrize("label", ["latest", "Prod", "", "a b", "1", "x" * 70, "<b>", "a\0b"])
def test_with_a_label_that_cannot_be_no_label_is_set(sdk: SdkCaller, label: str) -> None:
    sdk("PUT", "forecast", body())
    assert sdk("PUT", "forecast/versions/1/metadata", {"Labels": ["prod", label]})[0] == 400
    assert not VersionLabel.objects.exists()


def test_lists_have_pages_that_stay_valid_and_end(sdk: SdkCaller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.azure.v1.lookup.PAGE", 2)
    for name in ("a", "b", "c", "d", "e"):
        save_text(f"numpy=={ord(name)}", name=name)
    save_text("numpy", name="AzureML-x", workspace="curated")
    user = person("any")
    service.archive_environment(Environment.objects.get(name="e"), user)
    names, url, pages = [], "", 0
    while True:
        page = sdk("GET", url)[1]
        names += [row["name"] for row in page["value"]]
        pages += 1
        if page["continuationToken"] is None:
            break
        url = f"?continuation={page['continuationToken']}"
        Environment.objects.filter(name="a").update(archived_at=None)
    assert names == ["a", "b", "c", "d", "AzureML-x"]
    assert pages == 3
