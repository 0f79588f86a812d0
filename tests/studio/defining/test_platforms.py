"""The platforms of an image are chosen beside its definition: on the page and in the API."""

from __future__ import annotations

import pytest
from django.test import Client

from environments.models import Role, Version
from tests.builds.scenarios import browser_of, person

TEXT = "image: python:3.12-slim\nconda_file:\n  dependencies:\n    - pip\n    - pip: [numpy==2.0.0]\n"
BOTH = "linux/amd64,linux/arm64"


@pytest.fixture
def ada(db: None) -> Client:
    return browser_of(person("ada", lab=Role.CONTRIBUTOR))


def saved(client: Client, platforms: str, text: str = TEXT) -> Version:
    form = {"workspace": "lab", "name": "both", "text": text, "platforms": platforms, "action": "save"}
    answer = client.post("/w/lab/new/", form)
    assert answer.status_code == 302, answer.content.decode()
    return Version.objects.get()


def test_both_platforms_are_chosen_on_the_page_and_kept_for_the_next_version(ada: Client) -> None:
    version = saved(ada, BOTH)

    assert version.definition.platforms == ("linux/amd64", "linux/arm64")
    for page in (f"{version.version}/edit/", f"{version.version}/?tab=context"):
        shown = ada.get(f"/w/lab/environments/both/versions/{page}").content.decode()
        assert f'<option value="{BOTH}" selected>' in shown
    details = ada.get("/w/lab/environments/both/").content.decode()
    assert "linux/amd64, linux/arm64" in details


def test_the_definition_itself_decides_where_nothing_is_chosen(ada: Client) -> None:
    version = saved(ada, "", f"{TEXT}platforms: [linux/arm64, linux/amd64]\n")

    assert version.definition.platforms == ("linux/amd64", "linux/arm64")
    assert version.definition.selection.platforms == ()


def test_a_choice_that_the_base_cannot_serve_is_refused_beside_the_text(ada: Client) -> None:
    answer = ada.post(
        "/w/lab/check", {"text": "image: host\nconda_file: {dependencies: [pip]}\n", "platforms": BOTH}
    )
    assert "built for one platform, but several are given" in answer.content.decode()


def test_the_api_takes_platforms(ada: Client) -> None:
    url = "/api/v1/findings/"
    answer = ada.post(url, {"text": TEXT, "platforms": BOTH.split(",")}, "application/json")
    assert answer.json()["definition"]["other_platforms"] == ["linux/arm64"]
    assert answer.json()["selection"]["platforms"] == BOTH.split(",")
    refused = ada.post(url, {"text": TEXT, "platforms": ["linux/mips"]}, "application/json")
    assert refused.json()["findings"][0]["code"] == "bad-platform"
