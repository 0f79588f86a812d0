"""Errors, files and cookies forbid framing, foreign scripts and reading as pages do (`tests/access` has every route)."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from tests.access.protection import missing
from tests.builds.scenarios import person

pytestmark = pytest.mark.django_db


def test_errors_carry_them_too(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    person("sam")
    browser = Client(raise_request_exception=False, enforce_csrf_checks=True)
    large = {"text": "x" * (6 << 20)}

    def broken(*_: object) -> None:
        raise RuntimeError("of a test")

    answers = {
        404: browser.get("/nothing/here/"),
        400: browser.get("/login/", headers={"Host": "elsewhere.example"}),
        403: browser.post("/login/", {"username": "sam", "password": "x"}),
        301: browser.get("/login"),
    }
    monkeypatch.setattr("studio.signing_in.views.SignIn.get_context_data", broken)
    answers[500] = browser.get("/login/")
    for status, response in answers.items():
        assert response.status_code == status
        assert list(missing(response)) == [], f"{status}"
    assert Client().post("/login/", large).status_code == 400
    assert list(missing(Client().post("/login/", large))) == []


def test_files_carry_them_too() -> None:
    response = Client().get("/static/css/studio.css")
    assert response.status_code == 200
    assert [header for header in missing(response) if "Opener" not in header] == []


def test_behind_https_cookies_are_secure_and_the_name_is_kept_to_it(settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = settings.SECURE_COOKIES = True
    settings.SECURE_HSTS_SECONDS = 3600
    person("sam")
    browser = Client()

    seen = [
        browser.get("/login/", secure=True),
        browser.post("/login/", {"username": "sam", "password": "a long enough password"}, secure=True),
        browser.post("/theme/", {"theme": "dark"}, secure=True),
    ]

    named = {name for response in seen for name in response.cookies}
    assert named == {"studio_csrf", "studio_session", "studio_theme"}
    for response in seen:
        assert list(missing(response)) == []
        assert response.headers["Strict-Transport-Security"] == "max-age=3600"
