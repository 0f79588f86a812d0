"""A studio behind a proxy that ends TLS and passes everything on, also what a hostile client writes."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.azure.proxy import Proxy, make_certificate
from tests.services.fixtures import running
from tests.services.processes import free_port
from tests.services.studio import Studio

pytestmark = pytest.mark.slow
MANIFEST = "/v2/elsewhere/base/manifests/1"
HOSTILE = [
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Proto": "javascript"},
    {"X-Forwarded-Proto": "http"},
    {"X-Forwarded-Host": "evil.example, localhost", "X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/evil"},
    {"Forwarded": 'for=1.2.3.4;host="evil.example";proto=https', "X-Original-Host": "evil.example"},
    {
        "X-Forwarded-Server": "evil.example",
        "X-Rewrite-URL": "//evil.example/",
        "X-Original-URL": "/evil.example",
    },
    {"X-Forwarded-For": "evil.example, 127.0.0.1", "X-Real-IP": "evil.example"},
]


@pytest.fixture(scope="module")
def proxied(run_folder: Path, stock: Path) -> Iterator[httpx.Client]:
    """A client of the proxy, signed in."""
    port = free_port()
    studio = Studio(run_folder / "studio-proxied", {"STUDIO_URL": f"https://localhost:{port}/"}, stock)
    certificate = make_certificate(run_folder)
    for _ in running(studio):
        proxy = Proxy(port, studio.port, certificate=certificate)
        context = ssl.create_default_context(cafile=str(certificate[0]))
        url = f"https://localhost:{port}"
        with httpx.Client(base_url=url, verify=context, trust_env=False, timeout=30) as client:
            path = studio.login_url.removeprefix(studio.url)
            client.get(path)
            form = {"csrfmiddlewaretoken": client.cookies["studio_csrf"]}
            # The studio sees plain HTTP; the browser's origin is the public URL.
            answer = client.post(path, data=form, headers={"Origin": url})
            assert answer.status_code == 302, answer.text
            yield client
        proxy.close()


@pytest.mark.parametrize("headers", HOSTILE, ids=lambda headers: " and ".join(headers))
def test_every_url_begins_with_the_public_url_with_any_headers(
    proxied: httpx.Client, headers: dict[str, str]
) -> None:
    base = str(proxied.base_url).rstrip("/")
    host = base.partition("://")[2]
    realm = proxied.get(MANIFEST, headers=headers).headers["www-authenticate"]
    assert realm.startswith(f'Bearer realm="{base}/v2/token",')
    assert proxied.get("/", headers=headers).headers["location"].startswith("/w/")
    page = proxied.get("/w/default/environments/base/?use=pull", headers=headers).text
    assert f"docker pull {host}/default/base:1" in page
    assert f"{base}/badge/default/base.svg" in page
    listed = proxied.get("/api/v1/workspaces/curated/environments/?size=1", headers=headers).json()
    assert listed["next"].startswith(f"{base}/api/v1/")
    settings = proxied.get("/w/default/settings/?tab=azure", headers=headers).text
    assert f"AZUREML_DEV_URL_MFE={base}\n" in settings
    for text in (realm, page, str(listed), settings):
        assert "evil" not in text


def test_another_host_and_another_origin_are_refused(proxied: httpx.Client) -> None:
    assert proxied.get("/login/", headers={"Host": "evil.example"}).status_code == 400
    form = {"csrfmiddlewaretoken": proxied.cookies["studio_csrf"], "theme": "dark"}
    for origin in (
        "https://evil.example",
        "http://localhost",
        f"{proxied.base_url}".replace("localhost", "localhost.evil.example"),
    ):
        assert proxied.post("/theme/", data=form, headers={"Origin": origin}).status_code == 403
