"""Access tokens: shown once, kept as a digest, never more than their owner (issue 6 point 2)."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.utils import timezone
from pytest_django import Settings

from builds.imaging.oci.store import BlobStore
from environments.access import role_in, user_for_token, workspaces_of
from environments.models import AccessToken, Event, Role, Scope
from environments.workspaces.tokens import create_token, find_token, revoke_token
from tests.builds.distribution import NAME, add_image, ask, basic, store_image
from tests.builds.scenarios import browser_of, person, workspace_named

pytestmark = pytest.mark.django_db


def made(owner: User, scope: Scope = Scope.PULL, **more: object) -> tuple[AccessToken, str]:
    return create_token(owner, "training", scope, **more)  # type: ignore[arg-type]


@pytest.fixture
def olga(db: None) -> User:
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def image(tmp_path: Path, settings: Settings) -> str:
    settings.STORE = tmp_path / "store"
    add_image(workspace_named("lab"), store_image(BlobStore(settings.STORE), b"content"))
    return f"/v2/lab/{NAME}/manifests/latest"


# The page


def test_the_page_shows_a_token_once_and_the_database_never_holds_it(olga: User) -> None:
    browser = browser_of(olga)
    form = {"name": "nightly", "scope": "3", "days": "30", "workspace": "lab"}
    response = browser.post("/account/tokens/", form)
    match = re.search(r"studio_[\w-]{43}", response.content.decode())
    assert match is not None
    secret = match[0]

    assert "no-store" in response["Cache-Control"]
    assert secret not in browser.get("/account/tokens/").content.decode()
    rows = serializers.serialize("json", [*AccessToken.objects.all(), *Event.objects.all()])
    assert secret not in rows
    assert secret[len("studio_") + 4 :] not in rows
    token = find_token(secret)
    assert token is not None
    assert (token.owner, token.scope, token.workspace) == (olga, Scope.WRITE, workspace_named("lab"))
    assert token.expires_at is not None


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"scope": "9"}, {"scope": ""}, {"workspace": "other"}, {"days": "-1"}, {"days": "x"}],
)
def test_a_form_that_is_wrong_makes_no_token(olga: User, wrong: dict[str, str]) -> None:
    workspace_named("other")
    form = {"name": "nightly", "scope": "2", "days": "30", "workspace": "", **wrong}
    assert browser_of(olga).post("/account/tokens/", form).status_code == 422
    assert not AccessToken.objects.exists()


def test_people_revoke_their_own_tokens_only(olga: User) -> None:
    token, secret = made(olga)
    assert browser_of(person("eve")).post(f"/account/tokens/{token.pk}/revoke").status_code == 404
    assert find_token(secret) is not None
    browser_of(olga).post(f"/account/tokens/{token.pk}/revoke")
    assert find_token(secret) is None
    assert [event.verb for event in Event.objects.all()] == ["token.revoked", "token.created"]


def test_a_page_is_never_opened_by_a_token(olga: User) -> None:
    _, secret = made(olga, Scope.WRITE)
    response = browser_of(None).get("/account/tokens/", headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code == 302


# Expiry and scope


def test_a_token_that_expired_or_whose_owner_left_does_not_count(olga: User) -> None:
    _, expired = made(olga, expires_at=timezone.now() - timedelta(seconds=1))
    _, good = made(olga, expires_at=timezone.now() + timedelta(hours=1))
    assert find_token(expired) is None
    assert find_token(good) is not None
    assert find_token(good[:-1] + ("A" if good[-1] != "A" else "B")) is None
    User.objects.update(is_active=False)
    assert find_token(good) is None


def test_when_a_token_was_used_is_written_once_a_minute(olga: User) -> None:
    token, secret = made(olga)
    find_token(secret)
    token.refresh_from_db()
    first = token.used_at
    assert first is not None
    find_token(secret)
    token.refresh_from_db()
    assert token.used_at == first
    AccessToken.objects.update(used_at=timezone.now() - timedelta(minutes=2))
    find_token(secret)
    token.refresh_from_db()
    assert token.used_at is not None
    assert token.used_at >= first


@pytest.mark.parametrize(
    ("scope", "admin", "role"),
    [
        (Scope.PULL, False, Role.READER),
        (Scope.READ, False, Role.READER),
        (Scope.WRITE, False, Role.OWNER),
        (Scope.READ, True, Role.READER),
        (Scope.WRITE, True, Role.OWNER),
    ],
)
def test_a_token_may_what_its_scope_and_its_owner_may(scope: Scope, admin: bool, role: Role) -> None:
    owner = person("root" if admin else "olga", **({} if admin else {"lab": Role.OWNER}))
    owner.is_superuser = admin
    owner.save()
    lab, other = workspace_named("lab"), workspace_named("other")
    token = find_token(made(owner, scope)[1])
    assert token is not None
    assert role_in(lab, user_for_token(token)) == role
    assert role_in(other, user_for_token(token)) == (role if admin else None)


def test_a_token_of_a_workspace_sees_only_it_and_the_catalogue(olga: User) -> None:
    lab, other, curated = (workspace_named(name) for name in ("lab", "other", "curated"))
    olga.is_superuser = True
    olga.save()
    token = find_token(made(olga, Scope.WRITE, workspace=lab)[1])
    assert token is not None
    limited = user_for_token(token)
    assert {role_in(workspace, limited) for workspace in (lab,)} == {Role.OWNER}
    assert role_in(other, limited) is None
    assert role_in(curated, limited) == Role.READER
    assert set(workspaces_of(limited)) == {lab, curated}


# Images


def test_docker_signs_in_with_a_token_as_the_password(olga: User, image: str) -> None:
    token, secret = made(olga)
    given = ask("/v2/token", Authorization=basic("olga", secret))
    bearer = f"Bearer {given.json['token']}"
    assert ask(image, Authorization=bearer).status == 200
    assert ask(image, Authorization=basic("olga", secret)).status == 200

    revoke_token(token, olga)
    assert ask(image, Authorization=bearer).status == 401
    assert ask(image, Authorization=basic("olga", secret)).status == 401


def test_a_token_signs_in_nobody_but_its_owner(olga: User, image: str) -> None:
    person("paul", lab=Role.READER)
    _, secret = made(olga)
    assert ask(image, Authorization=basic("paul", secret)).status == 401


def test_a_token_of_another_workspace_cannot_tell_a_repository_from_none(olga: User, image: str) -> None:
    _, secret = made(olga, workspace=workspace_named("other"))
    bearer = f"Bearer {ask('/v2/token', Authorization=basic('olga', secret)).json['token']}"
    answer = ask(image, Authorization=bearer)
    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")
