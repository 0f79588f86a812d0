"""The documentation in the studio: every page, every link, and nothing besides."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.test import Client

from studio.documentation.pages import ORDER, page_names, page_of
from tests.builds.scenarios import browser_of, person


@pytest.fixture
def reader(db: None) -> Client:
    return browser_of(person("rita"))


def test_every_document_of_the_repository_is_a_page() -> None:
    documents = {path.stem for path in (settings.BASE_DIR / "docs").glob("*.md")}
    assert set(ORDER) == documents | {"changelog"}
    assert page_names() == list(ORDER)


def test_every_link_inside_the_documentation_leads_to_a_heading() -> None:
    pages = {name: page for name in ORDER if (page := page_of(name))}
    broken = []
    for name, page in pages.items():
        for address in re.findall(r'<a href="([^"]+)"', page.html):
            match = re.fullmatch(r"(?:/docs/(\w+)/)?(?:#(.*))?", address)
            if match is None:
                if not address.startswith("https://"):
                    broken.append(f"{name}: {address}")
                continue
            target = pages.get(match[1] or name)
            if target is None or (match[2] and f'id="{match[2]}"' not in target.html):
                broken.append(f"{name}: {address}")
    assert not broken, broken


def test_pages_are_shown_without_inline_styles_or_html_of_their_own(reader: Client) -> None:
    for name in ORDER:
        answer = reader.get(f"/docs/{name}/")
        assert answer.status_code == 200
        page = answer.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=\"", page), name
        assert page.count("<h1") == 1, name
    assert reader.get("/docs/").headers["Location"] == f"/docs/{ORDER[0]}/"


@pytest.mark.parametrize("name", ["nothing", "..", "readme", "README"])
def test_nothing_else_of_the_machine_is_a_page(reader: Client, name: str) -> None:
    assert reader.get(f"/docs/{name}/").status_code == 404


def test_visitors_sign_in_first(db: None) -> None:
    assert Client().get("/docs/running/").headers["Location"] == "/login/?next=/docs/running/"


def test_the_help_menu_leads_to_documentation_api_and_news(reader: Client) -> None:
    page = reader.get("/docs/running/").content.decode()
    for address in ("/docs/", "/api/v1/docs/", "/docs/changelog/"):
        assert f'href="{address}"' in page
    assert f"Version {settings.VERSION}" in page
