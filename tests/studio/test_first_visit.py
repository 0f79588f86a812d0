"""What a first visit brings over the wire: everything a page needs, packed, within its budget."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from django.test import Client
from pytest_django import Settings

from environments.models import Role
from tests.builds.played import browser_of, person
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
            one = needed.pop()
            if one in came:
                continue
            came[one], text = bytes_of(client, one)
            if one.endswith(".css"):
                fonts = re.findall(r"""url\(["']?([^)"']+latin\.woff2)""", text)
                needed += [urljoin(one, font) for font in fonts]
    return came


def test_a_first_visit_stays_within_its_budget(studio: Studio) -> None:
    came = first_visit(studio.url, "/login/")

    assert sum(came.values()) <= BUDGET, came
    assert any(address.endswith(".woff2") for address in came)
    assert len(came) > 5


@pytest.mark.django_db
@pytest.mark.parametrize(("takes", "encoding"), [("gzip, br", "gzip"), ("br", ""), ("", "")])
def test_pages_are_packed_for_who_takes_that(takes: str, encoding: str) -> None:
    client = browser_of(person("olga", lab=Role.OWNER))
    page = client.get("/w/lab/environments/", headers={"Accept-Encoding": takes})

    assert page.headers.get("Content-Encoding", "") == encoding
    assert "Accept-Encoding" in page.headers["Vary"]
    assert int(page.headers.get("Content-Length", len(page.content))) == len(page.content)
    text = gzip.decompress(page.content) if encoding else page.content
    assert b"</html>" in text


@pytest.mark.django_db
def test_a_packed_static_file_that_was_deleted_is_packed_again(settings: Settings, tmp_path: Path) -> None:
    settings.PACKED_STATIC = tmp_path / "static"
    client, wanted = Client(), {"Accept-Encoding": "gzip"}

    first: Any = client.get("/static/css/studio.css", headers=wanted)
    content = b"".join(first.streaming_content)
    for file in settings.PACKED_STATIC.iterdir():
        file.unlink()
    again: Any = client.get("/static/css/studio.css", headers=wanted)

    assert first.headers["Content-Encoding"] == "gzip"
    assert b"".join(again.streaming_content) == content
    assert b".topbar" in gzip.decompress(content)
    plain: Any = client.get("/static/css/studio.css")
    assert plain.headers["Vary"] == "Accept-Encoding"
    assert b".topbar" in b"".join(plain.streaming_content)


@pytest.mark.django_db
def test_where_nothing_can_be_written_static_files_are_sent_as_they_are(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a-file").touch()
    settings.PACKED_STATIC = tmp_path / "a-file" / "static"

    answer: Any = Client().get("/static/css/studio.css", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in answer.headers
    assert b".topbar" in b"".join(answer.streaming_content)
    assert "could not be packed" in caplog.text
