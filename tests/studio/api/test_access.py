"""Access to the API: strangers, readers, narrow tokens, form tokens, curators."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from builds.models import Build
from environments.models import Role, Scope
from tests.builds.scenarios import person, save_text, workspace_named
from tests.studio.api.calling import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_requests_counted")]
LAB = "workspaces/lab/"
FORECAST = f"{LAB}environments/forecast/"
NOWHERE = "6f1d3c1e-0b5a-4e0e-9a5c-2f7c4d1e8a90"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", LAB), ("GET", FORECAST), ("GET", f"{FORECAST}versions/1/"), ("POST", f"{FORECAST}versions/"),
     ("PATCH", f"{FORECAST}versions/1/"), ("POST", f"{FORECAST}versions/1/builds/"), ("GET", f"{LAB}builds/"),
     ("GET", f"{LAB}events/"), ("GET", f"{LAB}members/"), ("GET", f"{LAB}builds/{NOWHERE}/log/")],
)  # fmt: skip
def test_strangers_cannot_tell_a_workspace_from_none(method: str, path: str) -> None:
    save_text("numpy==2.1.3")
    stranger, nobody = Caller(person("stranger")), Caller(None)
    assert (stranger(method, path, {"text": "a"}).status, nobody(method, path, {"text": "a"}).status) == (
        404,
        401,
    )
    elsewhere = stranger(method, path.replace("lab", "nowhere"), {"text": "a"})
    assert elsewhere.status == 404
    assert nobody(method, path).headers["WWW-Authenticate"].startswith("Bearer")


def test_readers_read_and_tokens_that_may_only_read_change_nothing(olga: User) -> None:
    save_text("numpy==2.1.3")
    reader = Caller(person("paul", lab=Role.READER))
    reading = Caller(olga, Scope.READ)
    pulling = Caller(olga, Scope.PULL)
    for caller in (reader, reading):
        assert caller("GET", f"{FORECAST}versions/1/").status == 200
        assert caller("POST", f"{FORECAST}versions/1/builds/", {}).status == 403
        assert caller("POST", "findings/", {"text": "numpy"}).status == 200
    assert pulling("GET", f"{FORECAST}versions/1/").status == 403
    assert not Build.objects.exists()


def test_a_token_makes_no_token(call: Caller, olga: User) -> None:
    assert call("POST", "tokens/", {"name": "more"}).status == 403
    browser = Client()
    browser.force_login(olga)
    made = browser.post("/api/v1/tokens/", {"name": "more"}, content_type="application/json")
    assert made.status_code == 201
    assert made.json()["secret"].startswith("studio_")
    assert "secret" not in json.dumps(call.all("tokens/"))
    assert call("DELETE", f"tokens/{made.json()['id']}/").status == 204
    assert call("DELETE", "tokens/99999999999999999999/").status == 404


def test_a_browser_needs_its_form_token_to_change_anything(olga: User) -> None:
    save_text("numpy==2.1.3")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(olga)
    assert browser.get(f"/api/v1/{FORECAST}").status_code == 200
    assert browser.post(f"/api/v1/{FORECAST}archive/").status_code == 403


def test_the_catalogue_is_read_by_all_and_written_by_curators() -> None:
    workspace_named("curated")
    everybody = Caller(person("paul"))
    assert [row["name"] for row in everybody.all("workspaces/")] == ["curated"]
    assert (
        everybody("POST", "workspaces/curated/environments/AzureML-x/versions/", {"text": "numpy"}).status
        == 403
    )
