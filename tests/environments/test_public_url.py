"""Every absolute URL begins with STUDIO_URL, or as the request did; a client's headers change neither."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.test import RequestFactory

from environments.models import Role
from environments.public_url import absolute_url, base_url, public_host, registry_hosts
from environments.sharing.badge_keys import create_key
from studio.configuration import host_of, read_public_url
from tests.builds.scenarios import browser_of, image_for, person, save_text

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = "https://studio.example.com"
HOSTILE: dict[str, Any] = {
    "HTTP_X_FORWARDED_HOST": "evil.example",
    "HTTP_X_FORWARDED_PROTO": "https, javascript",
    "HTTP_X_FORWARDED_PORT": "666",
    "HTTP_X_FORWARDED_PREFIX": "/evil",
    "HTTP_FORWARDED": "host=evil.example;proto=https",
    "HTTP_X_ORIGINAL_URL": "/evil",
    "HTTP_X_ORIGINAL_HOST": "evil.example",
}


def test_without_a_public_url_they_begin_as_the_request_did(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["ml.internal", "[::1]"]
    http = RequestFactory().get("/", HTTP_HOST="ml.internal:8000", **HOSTILE)
    https = RequestFactory().get("/", secure=True, HTTP_HOST="[::1]:8443")
    assert absolute_url("/v2/token", http) == "http://ml.internal:8000/v2/token"
    assert (base_url(https), public_host(https)) == ("https://[::1]:8443", "[::1]:8443")
    assert absolute_url("/x/") == f"http://localhost:{settings.PORT}/x/"  # a mail, a command


def test_a_host_that_is_not_allowed_never_gets_into_a_url() -> None:
    with pytest.raises(DisallowedHost):
        absolute_url("/x/", RequestFactory().get("/", HTTP_HOST="evil.example"))


def test_the_public_url_is_the_base_however_the_request_came(settings: Any) -> None:
    settings.PUBLIC_URL = PUBLIC
    request = RequestFactory().get("/", HTTP_HOST="localhost:8000", **HOSTILE)
    assert absolute_url("/w/lab/?q=a b", request) == f"{PUBLIC}/w/lab/?q=a%20b"
    assert absolute_url("//evil.example/x", request) == f"{PUBLIC}//evil.example/x"
    assert public_host(request) == "studio.example.com"
    assert "studio.example.com" in registry_hosts()


@pytest.mark.django_db
@pytest.mark.parametrize("public", [PUBLIC, ""])
def test_pages_the_api_and_the_registry_name_one_base_to_a_hostile_client_too(
    settings: Any, public: str
) -> None:
    settings.PUBLIC_URL = public
    base = public or "http://testserver"
    host = base.partition("://")[2]
    version = save_text("numpy==2.1.3\n")
    save_text("numpy==2.1.2\n", name="second")
    image_for(version)
    olga = person("olga", lab=Role.OWNER)
    create_key(version.environment, "README", olga)
    client = browser_of(olga)

    def get(url: str) -> str:
        answer = client.get(url, **HOSTILE)
        text = answer.content.decode() + str(answer.headers)
        assert "evil.example" not in text
        assert "javascript:" not in text
        return text

    page = get("/w/lab/environments/forecast/?use=pull")
    assert f"docker pull {host}/lab/forecast:1" in page.replace("&#x27;", "")
    assert f"{base}/badge/lab/forecast.svg" in page
    assert f"{base}/api/v1/workspaces/lab/" in get("/w/lab/environments/forecast/?tab=uses")
    assert f"docker login {host}" in get("/w/lab/settings/?tab=registry")
    assert f"{host}/lab/" in get("/api/v1/workspaces/lab/images/")
    assert f'"next":"{base}/api/v1/workspaces/lab/environments/?cursor=' in get(
        "/api/v1/workspaces/lab/environments/?size=1"
    )
    client.logout()
    assert f'Bearer realm="{base}/v2/token"' in get("/v2/")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", ""),
        (" https://Studio.Example.com/ ", "https://studio.example.com"),
        ("https://studio.example.com:443", "https://studio.example.com"),
        ("http://10.0.0.5:8000", "http://10.0.0.5:8000"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
    ],
)
def test_a_public_url_is_read_in_its_shortest_form(written: str, read: str) -> None:
    assert read_public_url(written) == read


@pytest.mark.parametrize(
    "written",
    [
        "studio.example.com",
        "ftp://studio.example.com",
        "https://",
        "https://a/studio",
        "https://a?b",
        "https://u:p@a",
        "https://a:99999",
        "https://a b",
        "https://a\\b",
        "https://a\nb'",
        "javascript:alert(1)",
    ],
)
def test_a_public_url_that_is_none_is_reported(written: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="STUDIO_URL is"):
        read_public_url(written)


def test_the_public_urls_host_is_named_as_allowed_hosts_names_it() -> None:
    assert host_of("https://[::1]:8443") == "[::1]"
    assert host_of("http://a.example:8000") == "a.example"


def test_only_this_module_makes_absolute_urls() -> None:
    # A host is also read to refuse redirects that lead elsewhere.
    redirects = {"studio/defining/ignoring.py", "studio/signing_in/views.py"}
    library = {"studio/signing_in/openid_views.py"}  # gives it to a library
    making = re.compile(r"get_host\(|build_absolute_uri|\bPUBLIC_URL\b")
    files = [
        file for folder in ("studio", "builds", "environments") for file in (ROOT / folder).rglob("*.py")
    ]
    names = {str(file.relative_to(ROOT)) for file in files if making.search(file.read_text())}
    assert names - redirects - library - {"studio/settings.py"} == {"environments/public_url.py"}
