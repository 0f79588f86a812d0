"""Every response forbids framing, foreign scripts and reading of cookies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from django.test import Client
from pytest_django import Settings
from rest_framework.throttling import SimpleRateThrottle

from tests.access.asking import PASSWORD, Cell, Studio, routes
from tests.access.expected import API, REGISTRY
from tests.access.schema import schema_made_once as schema_made_once
from tests.builds.distribution import basic
from tests.builds.scenarios import person

pytestmark = pytest.mark.django_db

INLINE = {
    "a script in the page": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=.application/json)[^>]*>\s*\S"),
    "a style in the page": re.compile(r"<style\b|<[a-z][^>]*\sstyle=", re.IGNORECASE),
    "a script in an attribute": re.compile(r"<[a-z][^>]*\son[a-z]+=", re.IGNORECASE),
    "a script as an address": re.compile(r"(?:href|src|action)=.javascript:", re.IGNORECASE),
    "something from elsewhere": re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=.(?:https?:)?//"),
}


@pytest.fixture
def one_connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the test's connection: the end of a stream would close it."""
    monkeypatch.setattr(connection, "close", lambda: None)
    monkeypatch.setattr(SimpleRateThrottle, "allow_request", lambda *_: True)
    cache.clear()
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def missing(response: Any) -> Iterator[str]:
    """Yield what an answer lacks."""
    policy = response.headers.get("Content-Security-Policy", "")
    wanted = ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'")
    for part in (*wanted, "form-action 'self'"):
        if part not in policy:
            yield f"{part} in its policy"
    if "unsafe" in policy or "*" in policy:
        yield f"a strict policy: {policy}"
    due = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    for name, value in due.items():
        if response.headers.get(name) != value:
            yield f"{name}: {value}"
    if "camera=()" not in response.headers.get("Permissions-Policy", ""):
        yield "Permissions-Policy"
    for name, cookie in response.cookies.items():
        if not cookie.value:
            continue  # it is taken away
        if not cookie["httponly"] or cookie["samesite"] not in ("Lax", "Strict"):
            yield f"HttpOnly and SameSite at the cookie {name}"
        if configured.SECURE_COOKIES and not cookie["secure"]:
            yield f"Secure at the cookie {name}"
    if response.headers.get("Content-Type", "").startswith("text/html") and not response.streaming:
        text = response.content.decode()
        yield from (f"a page without {what}" for what, pattern in INLINE.items() if pattern.search(text))


@pytest.mark.slow
@pytest.mark.usefixtures("one_connection", "schema_made_once")
def test_every_route_sends_them_to_every_user() -> None:
    studio = Studio.filled()
    lacks: list[str] = []
    html = 0
    for route in routes():
        for who in ("anonymous", "stranger", "admin"):
            studio.client.cookies.clear()
            headers = {}
            if route in REGISTRY and who != "anonymous":
                headers["Authorization"] = basic(who, PASSWORD)
            elif who != "anonymous":
                studio.client.cookies[configured.SESSION_COOKIE_NAME] = studio.sessions[who]
            for method in ("GET", "POST"):
                as_json = route in API
                with transaction.atomic():
                    response = studio.client.generic(
                        method,
                        studio.path(Cell(route, method, who, "lab")),
                        "{}" if as_json else "user=mia",
                        "application/json" if as_json else "application/x-www-form-urlencoded",
                        headers=headers,
                    )
                    transaction.set_rollback(True)
                lacks += [
                    f"{method} /{route} as {who} ({response.status_code}): {header}"
                    for header in missing(response)
                ]
                html += response.headers.get("Content-Type", "").startswith("text/html")
                response.close()
    assert not lacks, "\n".join(lacks[:60])
    assert html > 100


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
