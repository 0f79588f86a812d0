"""A form that a script sends gets the URL to go to as a header; its messages wait for that page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from environments.models import Role
from tests.builds.scenarios import browser_of, person

pytestmark = pytest.mark.django_db

NEW = "/w/lab/new/"
BY_SCRIPT = {"X-Studio-Save": "1"}
FORM = {"text": "six==1.16.0\n", "name": "forecast", "workspace": "lab", "action": "save"}


@pytest.fixture
def contributor() -> Client:
    return browser_of(person("carla", lab=Role.CONTRIBUTOR))


def test_a_redirect_becomes_a_header_and_the_message_waits(contributor: Client) -> None:
    response = contributor.post(NEW, FORM, headers=BY_SCRIPT)
    assert response.status_code == 204
    assert response["X-Studio-Location"] == "/w/lab/environments/forecast/versions/1/"
    assert "Location" not in response
    assert response.content == b""
    assert response["Content-Security-Policy"]
    assert "forecast:1 is saved." in contributor.get(response["X-Studio-Location"]).content.decode()


def test_a_signed_out_user_is_sent_to_sign_in(client: Client) -> None:
    response = client.post(NEW, FORM, headers=BY_SCRIPT)
    assert response.status_code == 204
    assert response["X-Studio-Location"] == f"/login/?next={NEW}"


def test_the_cookies_of_the_answer_stay(contributor: Client) -> None:
    response = contributor.post(reverse("theme"), {"theme": "dark"}, headers=BY_SCRIPT)
    assert response.status_code == 204
    assert response.cookies["studio_theme"].value == "dark"


def test_a_refusal_is_the_page_as_ever(contributor: Client) -> None:
    response = contributor.post(NEW, FORM | {"name": "AzureML-x"}, headers=BY_SCRIPT)
    assert response.status_code == 422
    assert "X-Studio-Location" not in response


def test_without_the_header_and_for_pages_redirects_are_redirects(contributor: Client) -> None:
    assert contributor.post(NEW, FORM)["Location"] == "/w/lab/environments/forecast/versions/1/"
    assert contributor.get("/", headers=BY_SCRIPT).status_code == 302
