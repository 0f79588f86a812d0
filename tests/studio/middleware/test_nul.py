"""NUL in requests, on both databases: PostgreSQL refuses it in a text, which would be a 500."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import Client

from environments.models import Event, Member, Role, Version, Workspace
from studio.middleware.nul import without_nul
from tests.builds.scenarios import browser_of, person, save_text
from tests.studio.api.calling import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]

NEW = "/w/lab/new/"


@pytest.fixture
def owner() -> Client:
    return browser_of(person("olga", lab=Role.OWNER))


@pytest.mark.parametrize(
    "path",
    [
        "/%00",
        "/w/%00/environments/",
        "/w/lab/environments/fore%00cast/",
        "/w/lab/environments/forecast/versions/%001/",
        "/w/lab/environments/forecast/versions/1/lock/%00",
        "/w/lab/settings/%00",
    ],
)
def test_a_page_with_nul_in_its_path_does_not_exist(owner: Client, path: str) -> None:
    save_text("six==1.16.0\n")
    response = owner.get(path)
    assert response.status_code == 404
    assert "text/html" in response.headers["Content-Type"]


def test_a_login_link_with_nul_is_not_valid() -> None:
    assert Client().get("/login/MQ%00/abc%00/").status_code == 410


@pytest.mark.parametrize(
    "path",
    [
        "environments/?tab=all&q=fore%00cast&sort=%00&columns=%00",
        "builds/?q=%00&cause=%00&by=%00&state=%00",
        "images/?q=%00&only=%00&sort=%00",
        "activity/?who=%00&what=%00&since=%00",
        "compare/?a=lab/forecast:1%00&b=lab/fore%00cast:1",
        "new/?source=packages&base=python%00&python=3.12%00&packages=num%00py",
        "new/?from=lab/forecast:%001",
        "complete?kind=pypi&q=num%00",
        "environments/forecast/?tab=uses&q=%00",
        "settings/?tab=%00",
        "environments/?%00=%00",
    ],
)
def test_a_query_is_read_without_its_nuls(owner: Client, path: str) -> None:
    save_text("six==1.16.0\n")
    assert owner.get(f"/w/lab/{path}").status_code == 200


def test_a_pasted_form_is_saved_without_its_nuls(owner: Client) -> None:
    form = {
        "text": "num\0py==2.1.3\n\0",
        "filename": "require\0ments.txt",
        "name": "fore\0cast",
        "version": "a\0b",
        "description": "Night\0ly, 100%00",
        "tags": "te\0am=lab\0",
        "workspace": "la\0b",
        "action": "sa\0ve",
    }
    response = owner.post(NEW, form)
    assert response["Location"] == "/w/lab/environments/forecast/versions/ab/"
    version = Version.objects.get()
    assert version.source == "numpy==2.1.3\n"
    assert version.description == "Nightly, 100%00"
    assert version.tags == {"team": "lab"}


def test_the_name_of_a_file_is_read_without_its_nuls_and_its_content_is_kept(owner: Client) -> None:
    form = {"text": "", "name": "forecast", "workspace": "lab", "action": "save"}
    file = SimpleUploadedFile("x", b"six==1.16.0\n")
    file._name = "require\0ments.txt"  # type: ignore[attr-defined]
    assert owner.post(NEW, form | {"file": file}).status_code == 302
    binary = SimpleUploadedFile("requirements.txt", b"six==1.16.0\0\n")
    response = owner.post(NEW, form | {"name": "other", "file": binary})
    assert response.status_code == 422
    assert "NUL" in response.content.decode()


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/workspaces/new/", {"title": "Ta\0sks", "name": "ta\0sks"}),
        ("/w/lab/settings/title", {"title": "La\0b"}),
        ("/w/lab/settings/members/", {"user": "car\0la", "role": "Reader"}),
        ("/w/lab/settings/members/remove", {"user": "car\0la"}),
        ("/w/lab/settings/registry/", {"registry": "registry.example/\0lab"}),
        ("/w/lab/settings/connections/", {"kind": "\0", "address": "\0", "user": "\0", "password": "\0"}),
        ("/account/tokens/", {"name": "\0", "scope": "\0"}),
        ("/account/password/", {"old_password": "\0", "new_password1": "\0", "new_password2": "\0"}),
        ("/login/", {"username": "ol\0ga", "password": "\0"}),
        ("/theme/", {"theme": "da\0rk", "next": "/\0"}),
    ],
)
def test_no_form_with_nul_is_a_server_error(owner: Client, path: str, form: dict[str, str]) -> None:
    person("carla", lab=Role.READER)
    assert owner.post(path, form).status_code < 500


def test_a_workspace_is_made_without_nul_in_its_title() -> None:
    admin = person("ann")
    admin.is_superuser = True
    admin.save()
    browser_of(admin).post("/workspaces/new/", {"title": "Ta\0sks", "name": "ta\0sks"})
    assert Workspace.objects.get(name="tasks").title == "Tasks"


def test_a_session_cookie_with_nul_is_nobodys() -> None:
    client = Client(headers={"Accept-Language": "\0"})
    client.cookies[settings.SESSION_COOKIE_NAME] = "a\0bcdefghijkl"
    assert client.get("/w/lab/environments/").status_code == 302


def test_headers_are_recorded_without_their_nuls(owner: Client) -> None:
    owner.post("/w/lab/settings/pull", {"anonymous_pull": "on"}, headers={"User-Agent": "Browser\0/1"})
    assert Event.objects.get(verb="workspace.pull").agent == "Browser/1"


# The API


@pytest.mark.parametrize(
    "path",
    [
        "workspaces/%00/",
        "workspaces/lab/environments/fore%00cast/",
        "workspaces/lab/environments/forecast/versions/%00/",
        "workspaces/lab/images/sha256:%00/",
        "%00",
    ],
)
def test_the_api_has_nothing_at_a_path_with_nul(path: str) -> None:
    caller = Caller(person("olga", lab=Role.OWNER))
    answer = caller("GET", path)
    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_the_api_finds_no_member_whose_name_has_a_nul(method: str) -> None:
    caller = Caller(person("olga", lab=Role.OWNER))
    person("carla", lab=Role.READER)
    body = {"role": "Contributor"} if method == "PUT" else None
    answer = caller(method, "workspaces/lab/members/car%00la/", body)
    assert answer.status in (400, 404)
    assert Member.objects.get(user__username="carla").role == Role.READER


@pytest.mark.parametrize(
    "path",
    [
        "workspaces/lab/environments/?q=fore%00cast",
        "workspaces/lab/builds/?q=%00&cause=%00&by=%00",
        "workspaces/lab/events/?who=%00",
        "workspaces/lab/proposals/?stage=waiting%00",
        "packages/?q=six%00",
        "diff/?a=lab/forecast:1%00&b=lab/fore%00cast:1",
    ],
)
def test_the_api_reads_a_query_without_its_nuls(path: str) -> None:
    save_text("six==1.16.0\n")
    assert Caller(person("olga", lab=Role.OWNER))("GET", path).status == 200


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("workspaces/lab/environments/x/versions/", {"text": "num\0py"}, "text"),
        ("workspaces/lab/environments/x/versions/", {"text": "numpy", "description": "\0"}, "description"),
        ("workspaces/lab/environments/x/versions/", {"text": "numpy", "filename": "a\0"}, "filename"),
    ],
)
def test_the_api_refuses_nul_in_json_and_names_the_field(path: str, body: dict[str, str], field: str) -> None:
    answer = Caller(person("olga", lab=Role.OWNER))("POST", path, body)
    assert (answer.status, answer.code) == (400, "invalid")
    assert list(answer.json["errors"]) == [field]
    assert "null" in answer.json["errors"][field][0].lower()
    assert not Version.objects.exists()


def test_the_api_refuses_nul_in_a_form_too() -> None:
    caller = Caller(person("olga", lab=Role.OWNER))
    file = SimpleUploadedFile("requirements.txt", b"six==1.16.0\n")
    response = caller.client.post(
        "/api/v1/workspaces/lab/environments/x/versions/",
        {"file": file, "description": "a\0b"},
        headers=caller.headers,
    )
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["description"]


def test_a_query_without_nul_stays_the_same_object() -> None:
    query = QueryDict("q=%2500&q=b")
    assert without_nul(query) is query
    assert dict(without_nul(QueryDict("q=%25%0000&q=b%00&%00x=")).lists()) == {"q": ["%00", "b"], "x": [""]}
