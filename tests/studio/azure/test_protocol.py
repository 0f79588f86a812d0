"""The Azure SDKs' URLs bear what strangers and broken clients send: errors in one envelope, and no 500."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from environments.models import AccessToken, Event, Member, Role, Scope
from environments.workspaces.tokens import create_token, revoke_token
from studio.azure import tokens
from studio.azure.blobs import shared_key, signatures
from tests.builds.scenarios import person, save_text, workspace_named

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]
WS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/lab"
IMAGE = {"properties": {"image": "python:3.11"}}


@pytest.fixture
def olga() -> User:
    cache.clear()
    return person("olga", lab=Role.OWNER)


@pytest.fixture
def token(olga: User) -> AccessToken:
    return create_token(olga, "azure", Scope.WRITE)[0]


@pytest.fixture
def client(token: AccessToken) -> Client:
    return Client(headers={"Authorization": f"Bearer {tokens.issue(token)[0]}"})


def put(client: Client, path: str, body: Any) -> Any:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.put(f"{WS}/{path}", text, content_type="application/json")


def error(response: Any) -> dict[str, Any]:
    """Return the error of an answer, which must be in the envelope."""
    body = json.loads(response.content)
    assert body.keys() == {"error"}
    assert body["error"]["code"]
    assert body["error"]["message"]
    return dict(body["error"])


def test_prefixes_are_read_in_any_case_and_ids_keep_theirs(client: Client) -> None:
    put(client, "environments/Mixed/versions/1", IMAGE)
    path = "/SUBSCRIPTIONS/S/resourcegroups/G/Providers/microsoft.machinelearningservices/WORKSPACES/lab"
    answer = client.get(f"{path}/environments/Mixed/versions/1").json()
    assert answer["id"].startswith(
        "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/"
    )
    assert answer["id"].endswith("/workspaces/lab/environments/Mixed/versions/1")
    assert client.get(f"{WS}/environments/mixed/versions/1").status_code == 404
    assert error(client.get(f"{WS}/"))["code"] == "ResourceNotFound"


@pytest.mark.parametrize(
    "body",
    [
        "", "null", "[]", '"x"', "3", "{", b"\xff\xfe", "[" * 100_000, '{"properties": "x"}', '{"properties": []}',
        '{"properties": {}}', '{"properties": null}', '{"properties": {"image": "\\ud800"}}',
        '{"properties": {"image": "a\\u0000b"}}', '{"properties": {"image": {}}}',
        '{"properties": {"image": "a:1", "tags": {"a": {}}}}', '{"properties": {"image": "a:1", "tags": {"a": "\\u0000"}}}',
        '{"properties": {"image": "a:1", "tags": [1]}}', '{"properties": {"image": "a:1", "properties": {"\\u0000": "x"}}}',
        '{"properties": {"image": "a:1", "build": {}}}', '{"properties": {"image": "a:1", "build": "x"}}',
        '{"properties": {"image": "a:1", "build": {"contextUri": "https://example.com/x"}}}',
        '{"properties": {"build": {"contextUri": "../../etc"}}}', '{"properties": {"build": {"contextUri": "/etc"}}}',
        '{"properties": {"build": {"contextUri": "."}}}', '{"properties": {"build": {"contextUri": "file:///etc"}}}',
        '{"properties": {"condaFile": "a: b"}}', '{"properties": {"image": "a:1", "condaFile": "*a"}}',
        '{"properties": {"image": "a:1", "condaFile": "&a [*a, *a]"}}',
        '{"properties": {"image": "a:1", "condaFile": "%s"}}' % ("[" * 5_000),
        '{"properties": {"image": "a:1", "osType": "Solaris"}}', '{"properties": {"image": "a:1", "isArchived": "x"}}',
        '{"properties": {"image": "a:1", "inferenceConfig": {"scoringRoute": {"port": 99999999999, "path": "/"}}}}',
        '{"properties": {"image": "a:1", "inferenceConfig": {"scoringRoute": {"port": "x"}}}}',
        '{"properties": {"image": "%s"}}' % ("a" * 2_000),
        '{"properties": {"image": "a:1", "isAnonymous": true, "isArchived": true}}',
        '{"properties": {"image": "a:1", "build": {"contextUri": "https://example.com/x"}, "isAnonymous": true}}',
    ],
)  # fmt: skip
def test_broken_bodies_are_refused_and_leave_nothing(client: Client, body: str | bytes) -> None:
    before = Event.objects.count()
    answer = put(client, "environments/broken/versions/1", body)
    assert answer.status_code == 400, answer.content
    error(answer)
    assert client.get(f"{WS}/environments/broken").status_code == 404
    assert Event.objects.count() == before


def test_the_type_of_a_body_does_not_matter(client: Client) -> None:
    for number, kind in enumerate(
        ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "x"), 1
    ):
        path = f"{WS}/environments/typed/versions/{number}"
        body = json.dumps({"properties": {"image": f"a:{number}"}})
        assert client.put(path, body, content_type=kind, headers={"Accept": "image/png"}).status_code == 201
    assert client.get(f"{WS}/environments/typed?format=xml").json()["properties"]["latestVersion"] == "4"


def test_too_much_is_refused(client: Client) -> None:
    body = b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    answer = put(client, "environments/large/versions/1", body)
    assert (answer.status_code, error(answer)["code"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    "query",
    ["$top=0", "$top=-1", "$top=x", "$top=²", "$top=9999999999999", "$skipToken=x", "$skipToken=²",
     "$skipToken=99999999999999999999", "listViewType=None", "listViewType=%00"],
)  # fmt: skip
def test_made_up_positions_are_refused(client: Client, query: str) -> None:
    put(client, "environments/listed/versions/1", IMAGE)
    answer = client.get(f"{WS}/environments/listed/versions?{query}")
    assert (answer.status_code, error(answer)["code"]) == (400, "UserError")


def test_pages_follow_each_other_and_keep_the_filter(client: Client) -> None:
    for number in (1, 2, 3):
        put(client, f"environments/paged/versions/{number}", {"properties": {"image": f"a:{number}"}})
    put(client, "environments/paged/versions/2", {"properties": {"image": "a:2", "isArchived": True}})
    path = f"{WS}/environments/paged/versions?$top=1&listViewType=All"
    names = []
    while path:
        answer = client.get(path).json()
        names += [row["name"] for row in answer["value"]]
        path = answer.get("nextLink")
        assert path is None or path.startswith("http://testserver/subscriptions/s/")
    assert names == ["3", "2", "1"]


@pytest.mark.parametrize(
    "path", ["jobs", "models/m/versions/1", "environments/e/versions/1/x", "\0", "%ff", "a" * 5_000]
)
def test_what_the_studio_does_not_have_is_not_found(client: Client, path: str) -> None:
    for method in ("get", "put", "post", "patch", "delete"):
        answer = getattr(client, method)(f"{WS}/{path}")
        assert answer.status_code == 404
        error(answer)


def test_methods_that_a_url_does_not_have_are_refused(client: Client) -> None:
    put(client, "environments/e/versions/1", IMAGE)
    for method in ("post", "patch", "delete", "options"):
        answer = getattr(client, method)(f"{WS}/environments/e/versions/1")
        assert (answer.status_code, error(answer)["code"]) == (405, "MethodNotAllowed")
    assert client.head(f"{WS}/environments/e/versions/1").status_code == 200


def test_forged_tokens_open_nothing(token: AccessToken, olga: User) -> None:
    good, _ = tokens.issue(token)
    claims = jwt.decode(good, options={"verify_signature": False})
    own = tokens._key()
    head, body, seal = good.split(".")
    forged = [
        jwt.encode(claims, "another key of thirty-two bytes!", "HS256"),
        jwt.encode(claims, settings.SECRET_KEY, "HS256"),
        jwt.encode(claims, None, "none"),  # type: ignore[arg-type]
        jwt.encode(claims, own * 2, "HS512"),
        jwt.encode(claims | {"exp": 1}, own, "HS256"),
        jwt.encode(claims | {"aud": "https://management.azure.com"}, own, "HS256"),
        jwt.encode(claims | {"studio_token": 2**70}, own, "HS256"),
        jwt.encode(claims | {"studio_token": "x"}, own, "HS256"),
        jwt.encode(claims | {"studio_token": None}, own, "HS256"),
        jwt.encode(claims | {"studio_token": [1]}, own, "HS256"),
        jwt.encode(claims | {"more": "x" * 2_000}, own, "HS256"),
        jwt.encode({name: value for name, value in claims.items() if name != "exp"}, own, "HS256"),
        f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{seal[:-2]}AA", "..", "a.b.c", "." * 10_000, "ü.ü.ü",
    ]  # fmt: skip
    for text in (*forged, "", "x" * 100_000):
        answer = Client().get(WS, headers={"Authorization": f"Bearer {text}"})
        assert (answer.status_code, error(answer)["code"]) == (401, "InvalidAuthenticationToken"), text[:200]
        assert answer["WWW-Authenticate"].startswith("Bearer")
    assert Client().get(WS, headers={"Authorization": f"Bearer {good}"}).status_code == 200


def test_tokens_and_signatures_of_a_studio_with_another_secret_key_open_nothing(token: AccessToken) -> None:
    text, holder = tokens.issue(token)[0], signatures.Holder(token.pk, 1)
    query = parse_qs(signatures.sign("container", "r", holder, lasting=timedelta(hours=1)))
    key = shared_key.key_for("lab", token.pk)
    assert tokens.token_behind(text) == token
    assert signatures.check(query, "container", "r") == holder
    with override_settings(SECRET_KEY="another" * 8):
        assert tokens.token_behind(text) is None
        assert signatures.check(query, "container", "r") is None
        assert shared_key.key_for("lab", token.pk) != key


def test_a_token_ends_with_what_is_behind_it(token: AccessToken, olga: User) -> None:
    text, seconds = tokens.issue(token)
    assert 3_590 < seconds <= 3_600
    client = Client(headers={"Authorization": f"Bearer {text}"})
    assert client.get(WS).status_code == 200
    User.objects.filter(pk=olga.pk).update(is_active=False)
    assert client.get(WS).status_code == 401
    User.objects.filter(pk=olga.pk).update(is_active=True)
    revoke_token(token, olga)
    assert client.get(WS).status_code == 401
    soon = create_token(olga, "soon", Scope.WRITE, expires_at=timezone.now() + timedelta(minutes=5))[0]
    assert tokens.issue(soon)[1] <= 300


def test_a_token_for_a_workspace_opens_no_other(olga: User) -> None:
    other = Member.objects.create(user=olga, workspace=workspace_named("other"), role=Role.OWNER).workspace
    row, secret = create_token(olga, "narrow", Scope.WRITE, workspace=other)
    for text in (secret, tokens.issue(row)[0]):
        client = Client(headers={"Authorization": f"Bearer {text}"})
        assert client.get(WS).status_code == 404
        assert put(client, "environments/e/versions/1", IMAGE).status_code == 404
        group = WS.rpartition("/")[0]
        assert [space["name"] for space in client.get(group).json()["value"]] == ["other"]
        assert client.get(f"{group}/other").status_code == 200


def test_events_name_the_access_token_behind_a_jwt(client: Client, token: AccessToken) -> None:
    put(client, "environments/e/versions/1", IMAGE)
    event = Event.objects.get(verb="version.created")
    assert (event.token, event.actor) == (str(token), token.owner)


def test_a_browser_session_opens_nothing_here(olga: User) -> None:
    browser = Client()
    browser.force_login(olga)
    assert browser.get(WS).status_code == 401
    assert put(browser, "environments/e/versions/1", IMAGE).status_code == 401


def test_the_token_endpoint_refuses_what_is_no_access_token(olga: User) -> None:
    secret = create_token(olga, "azure", Scope.WRITE)[1]
    form = {
        "grant_type": "client_credentials",
        "client_id": "x",
        "client_secret": secret,
        "scope": "y/.default",
    }

    def post(**changed: str) -> Any:
        return Client(enforce_csrf_checks=True).post("/common/oauth2/v2.0/token", "&".join(
            f"{name}={value}" for name, value in (form | changed).items()
        ), content_type="application/x-www-form-urlencoded")  # fmt: skip

    answer = post()
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert json.loads(answer.content)["token_type"] == "Bearer"
    for grant in ("password", "refresh_token", "", "client_credentials%00"):
        assert post(grant_type=grant).status_code == 400
    for wrong in (
        "",
        "%00",
        "studio_x",
        secret[:-1],
        f"{secret}%00",
        json.loads(answer.content)["access_token"],
    ):
        refused = post(client_secret=wrong)
        assert (refused.status_code, json.loads(refused.content)["error"]) == (401, "invalid_client")
    assert post(client_secret="x" * 20_000).status_code == 413
    many = Client().post("/common/oauth2/v2.0/token", "a=1&" * 3_000, content_type="text/plain")
    assert many.status_code == 400


def test_the_token_endpoint_has_a_limit() -> None:
    cache.clear()
    statuses = {Client().post("/common/oauth2/v2.0/token").status_code for _ in range(70)}
    assert statuses == {400, 429}
    cache.clear()


def test_absolute_urls_begin_with_the_public_url(client: Client, settings: Any) -> None:
    public = settings.PUBLIC_URL = "https://studio.example.com"
    assert client.get("/discovery").json()["experimentation"] == public
    assert client.get("/metadata/endpoints").json()[0]["resourceManager"] == public
    assert client.get("/t/v2.0/.well-known/openid-configuration").json()["token_endpoint"].startswith(public)
    assert client.get(WS).json()["properties"]["discoveryUrl"] == f"{public}/discovery"


def test_a_foreign_host_is_repeated_nowhere(client: Client) -> None:
    for path in ("/discovery", "/metadata/endpoints", WS, "/t/v2.0/.well-known/openid-configuration"):
        answer = client.get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 400
        assert b"evil" not in answer.content


def test_a_registry_password_is_never_returned(client: Client, olga: User) -> None:
    registry = {"address": "registry.example.com"}
    text = {"docker": {"baseImage": "private/image:1", "baseImageRegistry": registry}}
    save_text(json.dumps(text | {"python": {"userManagedDependencies": True}}), name="private", user=olga)
    answer = client.get(f"{WS}/environments/private/versions/1")
    assert answer.status_code == 200
    assert b"password" not in answer.content
    secret = {"properties": {"image": "https://robot:s3cr3t-w0rd@example.com/y:1"}}
    refused = put(client, "environments/private/versions/2", secret)
    assert refused.status_code == 400
    assert b"s3cr3t-w0rd" not in refused.content


def test_lists_need_the_same_queries_however_long(client: Client) -> None:
    counts = []
    for number in range(1, 5):
        for name in (f"e{number}", "many"):
            put(client, f"environments/{name}/versions/{number}", {"properties": {"image": f"a:{number}"}})
        with CaptureQueriesContext(connection) as queries:
            client.get(f"{WS}/environments")
            client.get(f"{WS}/environments/many/versions")
        counts.append(len(queries))
    assert counts[1] == counts[3]
