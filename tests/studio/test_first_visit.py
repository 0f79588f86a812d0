"""The transfer size of a first visit stays within its budget."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from django.core.management import call_command
from django.templatetags.static import static
from django.test import Client
from pytest_django import Settings

from environments.models import Role
from tests.builds.scenarios import browser_of, person
from tests.services.studio import Studio

BUDGET = 350_000
PACKED = {"Accept-Encoding": "gzip, deflate, br", "Accept": "text/html"}


def bytes_of(client: httpx.Client, address: str) -> tuple[int, str]:
    """Return how many bytes came for an address, its head among them, and what they say."""
    with client.stream("GET", address) as answer:
        assert answer.status_code == 200, address
        raw = b"".join(answer.iter_raw())
        head = sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
        text = gzip.decompress(raw) if answer.headers.get("Content-Encoding") == "gzip" else raw
    return head + len(raw), text.decode(errors="replace")


def first_visit(url: str, address: str) -> dict[str, int]:
    """Return the bytes of a page and of all that it loads, by address."""
    with httpx.Client(base_url=url, headers=PACKED, trust_env=False, timeout=60) as client:
        size, page = bytes_of(client, address)
        came = {address: size}
        needed = re.findall(r'(?:src|<link[^>]* href|<use href)="([^"#]+)', page)
        while needed:
            asset = needed.pop()
            if asset in came:
                continue
            came[asset], text = bytes_of(client, asset)
            if asset.endswith(".css"):
                fonts = re.findall(r"""url\(["']?([^)"']+latin\.woff2)""", text)
                needed += [urljoin(asset, font) for font in fonts]
    return came


def test_a_first_visit_stays_within_its_budget(studio: Studio) -> None:
    came = first_visit(studio.url, "/login/")

    assert sum(came.values()) <= BUDGET, came
    assert any(address.endswith(".woff2") for address in came)
    assert len(came) > 5


@pytest.mark.django_db
@pytest.mark.parametrize(("accepts", "encoding"), [("gzip, br", "gzip"), ("br", ""), ("", "")])
def test_pages_are_compressed_for_clients_that_accept_gzip(accepts: str, encoding: str) -> None:
    client = browser_of(person("olga", lab=Role.OWNER))
    page = client.get("/w/lab/environments/", headers={"Accept-Encoding": accepts})

    assert page.headers.get("Content-Encoding", "") == encoding
    assert "Accept-Encoding" in page.headers["Vary"]
    assert int(page.headers.get("Content-Length", len(page.content))) == len(page.content)
    text = gzip.decompress(page.content) if encoding else page.content
    assert b"</html>" in text


def static_file(path: str, **headers: str) -> tuple[Any, bytes]:
    answer: Any = Client().get(path, headers={name.replace("_", "-"): headers[name] for name in headers})
    return answer, b"".join(answer.streaming_content)


def test_static_files_are_compressed_on_the_way_and_revalidated() -> None:
    path = "/static/css/studio.css"
    packed, content = static_file(path, accept_encoding="gzip")
    plain, text = static_file(path)

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(content) == text
    assert b".topbar" in text
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["Cache-Control"] == "max-age=3600, public"
    assert packed.headers["ETag"] == plain.headers["ETag"]
    again, nothing = static_file(path, accept_encoding="gzip", if_none_match=packed.headers["ETag"])
    assert (again.status_code, nothing) == (304, b"")


@pytest.mark.parametrize("path", ["/static/vendor/inter-latin.woff2", "/static/css/studio.css"])
def test_fonts_and_ranges_are_sent_as_they_are(path: str) -> None:
    part, content = static_file(path, accept_encoding="gzip", range="bytes=0-999")
    assert (part.status_code, len(content)) == (206, 1000)
    assert "Content-Encoding" not in part.headers

    if path.endswith(".woff2"):
        font, _content = static_file(path, accept_encoding="gzip")
        assert "Content-Encoding" not in font.headers


def test_collected_files_are_compressed_beforehand_and_kept_for_ever(
    settings: Settings, tmp_path: Path
) -> None:
    settings.STATIC_ROOT, settings.WHITENOISE_USE_FINDERS = tmp_path, False
    storage = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": storage}
    call_command("collectstatic", "--no-input", verbosity=0, ignore_patterns=["drf_*", "rest_framework"])

    path = static("css/studio.css")
    packed, content = static_file(path, accept_encoding="gzip")

    assert re.fullmatch(r"/static/css/studio\.[0-9a-f]{12}\.css", path)
    assert content == Path(tmp_path, path.removeprefix("/static/") + ".gz").read_bytes()
    assert packed.headers["Cache-Control"] == "max-age=315360000, public, immutable"
    assert re.search(rb"url\(.\.\./vendor/inter-latin\.[0-9a-f]{12}\.woff2", gzip.decompress(content))
    again, nothing = static_file(path, accept_encoding="gzip", if_none_match=packed.headers["ETag"])
    assert (again.status_code, nothing) == (304, b"")
