"""Access to images under /v2/: users, tokens and their lifetimes."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from builds.distribution import access
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.oci.store import BlobStore
from environments.models import Member, Role, Workspace
from tests.builds.distribution import NAME, add_image, ask, basic, layer_of, store_image

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough password"


def person(name: str, workspace: Workspace | None = None) -> str:
    """Create a user, a reader of the workspace if it is given; return their credentials."""
    user = User.objects.create_user(name, password=PASSWORD)
    if workspace is not None:
        Member.objects.create(workspace=workspace, user=user, role=Role.READER)
    return basic(name, PASSWORD)


def test_an_anonymous_client_is_sent_to_the_token_service(shop: Workspace, manifest: Descriptor) -> None:
    add_image(shop, manifest)

    answer = ask(f"/v2/shop/{NAME}/manifests/latest")

    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    realm = (
        f'realm="http://testserver/v2/token",service="environment-studio",scope="repository:shop/{NAME}:pull"'
    )
    assert answer.headers["WWW-Authenticate"] == f"Bearer {realm}"


def test_an_account_outside_the_workspace_cannot_tell_a_repository_from_none(
    shop: Workspace, manifest: Descriptor
) -> None:
    add_image(shop, manifest)
    stranger = person("stranger")

    there = ask(f"/v2/shop/{NAME}/manifests/latest", Authorization=stranger)
    nowhere = ask(f"/v2/nowhere/{NAME}/manifests/latest", Authorization=stranger)

    assert (there.status, there.code) == (nowhere.status, nowhere.code) == (404, "NAME_UNKNOWN")
    assert there.body == nowhere.body.replace(b"nowhere", b"shop")


def test_nobody_cannot_tell_a_private_workspace_from_none(shop: Workspace, manifest: Descriptor) -> None:
    add_image(shop, manifest)

    assert ask(f"/v2/nowhere/{NAME}/tags/list").status == ask(f"/v2/shop/{NAME}/tags/list").status == 401


def test_a_blob_of_another_workspace_is_not_read_by_its_digest(
    store: BlobStore, shop: Workspace, square: Workspace, manifest: Descriptor
) -> None:
    add_image(shop, manifest)
    add_image(square, store_image(store, b"something else"))

    for digest in (manifest.digest, layer_of(store, manifest)):
        answer = ask(f"/v2/square/{NAME}/blobs/{digest}")
        assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def test_a_browser_that_is_signed_in_pulls_nothing(
    shop: Workspace, manifest: Descriptor, client: Client
) -> None:
    add_image(shop, manifest)
    person("ada", shop)
    client.login(username="ada", password=PASSWORD)

    assert client.get(f"/v2/shop/{NAME}/manifests/latest").status_code == 401


@pytest.mark.parametrize(
    "credentials",
    [
        basic("ada", "wrong"),
        basic("nobody", PASSWORD),
        "Basic %%%",
        "Basic " + "/w==",
        "Bearer made-up",
        "Digest username=ada",
    ],
)
def test_wrong_credentials_are_refused_even_where_none_are_needed(
    square: Workspace, manifest: Descriptor, credentials: str
) -> None:
    add_image(square, manifest)
    person("ada", square)

    for path in ("/v2/", "/v2/token", f"/v2/square/{NAME}/manifests/latest"):
        answer = ask(path, Authorization=credentials)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")


def test_a_member_pulls_by_password_and_by_the_token_it_gave(shop: Workspace, manifest: Descriptor) -> None:
    add_image(shop, manifest)
    ada = person("ada", shop)

    token = ask("/v2/token?service=environment-studio", Authorization=ada)

    assert ask(f"/v2/shop/{NAME}/manifests/latest", Authorization=ada).status == 200
    bearer = f"Bearer {token.json['token']}"
    assert ask(f"/v2/shop/{NAME}/manifests/latest", Authorization=bearer).status == 200
    assert ask("/v2/", Authorization=bearer).status == 200


def test_a_token_ends_with_the_password_it_was_given_for(shop: Workspace, manifest: Descriptor) -> None:
    add_image(shop, manifest)
    bearer = f"Bearer {ask('/v2/token', Authorization=person('ada', shop)).json['token']}"
    ada = User.objects.get(username="ada")
    ada.set_password("another long password")
    ada.save()

    assert ask(f"/v2/shop/{NAME}/manifests/latest", Authorization=bearer).status == 401


def test_a_token_ends_by_itself(
    shop: Workspace, manifest: Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(shop, manifest)
    bearer = f"Bearer {ask('/v2/token', Authorization=person('ada', shop)).json['token']}"
    monkeypatch.setattr(access, "TOKEN_SECONDS", -1)

    assert ask(f"/v2/shop/{NAME}/manifests/latest", Authorization=bearer).status == 401


def test_a_member_who_left_pulls_no_more_with_the_token_of_before(
    shop: Workspace, manifest: Descriptor
) -> None:
    add_image(shop, manifest)
    bearer = f"Bearer {ask('/v2/token', Authorization=person('ada', shop)).json['token']}"
    Member.objects.all().delete()

    assert ask(f"/v2/shop/{NAME}/manifests/latest", Authorization=bearer).status == 404


def test_every_user_pulls_from_the_catalogue(store: BlobStore, manifest: Descriptor) -> None:
    add_image(Workspace.objects.create(name="curated", title="Curated", curated=True), manifest)

    assert ask(f"/v2/curated/{NAME}/manifests/latest").status == 401
    assert ask(f"/v2/curated/{NAME}/manifests/latest", Authorization=person("ada")).status == 200


def test_everybody_pulls_from_an_open_workspace_with_or_without_a_token_for_nobody(
    shop: Workspace, square: Workspace, manifest: Descriptor
) -> None:
    add_image(square, manifest)
    add_image(shop, manifest)
    nobody = f"Bearer {ask('/v2/token').json['token']}"

    assert ask(f"/v2/square/{NAME}/manifests/latest").status == 200
    assert ask(f"/v2/square/{NAME}/manifests/latest", Authorization=nobody).status == 200
    assert ask(f"/v2/shop/{NAME}/manifests/latest", Authorization=nobody).status == 401


def test_a_client_is_challenged_at_first_only_where_signing_in_matters(square: Workspace) -> None:
    assert ask("/v2/").status == 200
    Workspace.objects.create(name="shop", title="Shop")

    assert ask("/v2/").status == 401
