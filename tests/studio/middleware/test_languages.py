"""The pages in four languages: the choice of the language, and complete translations."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from environments.models import Role
from studio.templatetags import studio as tags
from tests.access.asking import Cell, Studio
from tests.access.expected import BUILD, PAGES
from tests.builds.scenarios import browser_of, person, queue_build, save_text
from tests.services import parts
from tests.services.fixtures import need

ROOT = Path(__file__).resolve().parents[3]
OTHERS = [language for language, _ in settings.LANGUAGES if language != settings.LANGUAGE_CODE]


# Responses for programs, and streams
NO_PAGES = {"healthz", "readyz", "metrics", f"{BUILD}stream", "w/<slug:workspace>/events/", f"{BUILD}log.txt"}


def lang_of(page: str) -> str:
    matches = re.search(r'<html lang="([^"]+)"', page)
    return matches[1] if matches else ""


# Which language a reader gets


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("sv-SE,sv;q=0.9,en;q=0.8", "sv"),
        ("es-MX", "es"),
        ("pt-BR", "pt-br"),
        ("pt-PT", "pt-br"),
        ("fr,es;q=0.5,sv;q=0.7", "sv"),
        ("*;q=xx,\x00", "en"),
    ],
)
def test_a_page_comes_in_the_language_that_the_browser_asks_for(wanted: str, got: str) -> None:
    page = Client().get(reverse("login"), headers={"Accept-Language": wanted} if wanted else {})

    assert lang_of(page.content.decode()) == got
    assert page.headers["Content-Language"] == got
    assert "Accept-Language" in page.headers["Vary"]


@pytest.mark.django_db
def test_a_chosen_language_stays_and_wins_over_the_browser() -> None:
    client = Client(headers={"Accept-Language": "sv"})

    answer = client.post(reverse("language"), {"language": "es", "next": "/login/?next=/x"})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/login/?next=/x")
    page = client.get(reverse("login")).content.decode()
    assert lang_of(page) == "es"
    assert re.search(r'value="es"\s+lang="es"\s+aria-pressed="true"', page)
    assert ">English</button>" in page  # its readers may not know Spanish


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["de", "", "es\r\nSet-Cookie: x=y"])
def test_a_language_that_is_not_there_is_not_kept(language: str) -> None:
    client = Client()

    client.post(reverse("language"), {"language": language})

    assert settings.LANGUAGE_COOKIE_NAME not in client.cookies


@pytest.mark.django_db
def test_programs_are_answered_in_english() -> None:
    client = browser_of(person("olga", lab=Role.OWNER))
    spanish = {"Accept-Language": "es"}

    missing = client.get("/api/v1/workspaces/nowhere/", headers=spanish)
    page = client.get("/nowhere", headers=spanish)

    assert missing.json()["message"] == client.get("/api/v1/workspaces/nowhere/").json()["message"]
    assert "Content-Language" not in missing.headers
    assert (page.status_code, lang_of(page.content.decode())) == (404, "es")


@pytest.mark.django_db
def test_an_answer_leaves_no_language_behind() -> None:
    Client().get(reverse("login"), headers={"Accept-Language": "es"})

    assert translation.get_language() == settings.LANGUAGE_CODE


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("language", [settings.LANGUAGE_CODE, *OTHERS])
def test_every_page_can_be_shown_in_every_language(language: str) -> None:
    studio = Studio.filled()
    studio.client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    shown = 0
    for route, methods in PAGES.items():
        if "GET" not in methods or route in NO_PAGES:
            continue
        for caller in ("anonymous", "admin"):
            studio.client.cookies.clear()
            if caller in studio.sessions:
                studio.client.cookies[settings.SESSION_COOKIE_NAME] = studio.sessions[caller]
            response = studio.client.get(studio.path(Cell(route, "GET", caller, "lab")))
            assert response.status_code < 500, route
            if response.streaming:
                continue
            page = response.content.decode()
            if "<html" in page:
                assert lang_of(page) == language, route
                shown += 1
    assert shown > 20


@pytest.mark.django_db
def test_two_viewers_of_a_build_each_get_their_language() -> None:
    from builds.live.snapshots import Snapshot, state_html, steps_html

    build = queue_build(save_text("numpy==2.1.3"))
    snapshot = Snapshot(build, None)
    nobody: frozenset[str] = frozenset()

    english = state_html(snapshot, (nobody, False, "", "en"))
    swedish = state_html(snapshot, (nobody, False, "", "sv"))

    assert "Queued" in english
    assert "Queued" not in swedish
    assert steps_html(snapshot, "sv") != steps_html(snapshot, "en")


def test_numbers_and_dates_are_written_as_the_language_writes_them() -> None:
    when = datetime.datetime(2026, 11, 21, 8, 3, tzinfo=datetime.UTC)
    with translation.override("sv"):
        assert tags.size(1_400_000_000) == "1,4 GB"
        assert tags.duration(3.25) == "3,2 s"
        assert tags.amount(12_345, "packages") == "12\N{NO-BREAK SPACE}345 paket"
        assert ">21 nov 2026, 08:03 UTC<" in tags.moment(when)
        assert 'title="2026-11-21 08:03:00 UTC"' in tags.moment(when)
    with translation.override("en"):
        assert tags.size(1_400_000_000) == "1.4 GB"
        assert ">21 Nov 2026, 08:03 UTC<" in tags.moment(when)


# The texts


def po_file(language: str, folder: Path = ROOT) -> Path:
    return folder / "locale" / translation.to_locale(language) / "LC_MESSAGES" / "django.po"


def catalog(language: str, folder: Path = ROOT) -> Catalog:
    with po_file(language, folder).open("rb") as file:
        return read_po(file)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the pages in which `make messages` has just run."""
    need(parts.GETTEXT)
    folder = tmp_path_factory.mktemp("messages")
    for name in ("studio", "environments", "builds", "templates", "locale", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "manage.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").symlink_to(sys.prefix)
    # The list of sentences is made of what Git knows or could know.
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    done = subprocess.run(
        ["make", "--old-file=development", "messages"],
        cwd=folder,
        env={**os.environ, "STUDIO_VAR": str(folder / "var"), "DJANGO_SETTINGS_MODULE": "studio.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("language", OTHERS)
def test_the_catalogs_are_up_to_date(language: str, collected: Path) -> None:
    kept, made = (
        {(text.id, text.context): (text.string, text.flags) for text in catalog(language, folder) if text.id}
        for folder in (ROOT, collected)
    )
    compiled_kept, compiled_made = (
        vars(GNUTranslations(po_file(language, folder).with_suffix(".mo").open("rb")))["_catalog"]
        for folder in (ROOT, collected)
    )

    assert kept == made, "Run `make messages`."
    assert compiled_kept == compiled_made, "Run `make messages`."


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    texts = catalog(language)

    assert len(texts) > 1000
    assert [text.id for text in texts if text.id and (text.fuzzy or not all(forms(text)))] == []


def forms(text: Message) -> list[str]:
    """Return the translation of a text, in each of its numbers."""
    return [text.string] if isinstance(text.string, str) else list(text.string or [""])


PLACEHOLDERS = re.compile(r"%\(\w+\)s|%%|\{\w+\}|</?\w+[^>]*>|&\w+;")


def pairs(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Yield each text with its translation, and each plural form with its source."""
    for message in catalog:
        if message.id and isinstance(message.id, str):
            yield message.id, str(message.string)
        elif message.id:
            for number, form in enumerate(message.string or ()):
                yield message.id[min(number, 1)], form


@pytest.mark.parametrize("language", OTHERS)
def test_translations_keep_places_tags_and_the_end_of_the_sentence(
    language: str,
) -> None:
    wrong = [
        f"{text!r}: {translation!r}"
        for text, translation in pairs(catalog(language))
        if sorted(PLACEHOLDERS.findall(text)) != sorted(PLACEHOLDERS.findall(translation))
        or (text[-1:] in ".:?!" and text[-1:] != translation[-1:])
        or text != text.strip()
        or translation != translation.strip()
    ]

    assert not wrong, "\n".join(wrong)


def test_each_language_says_in_its_file_which_words_it_uses() -> None:
    for language in OTHERS:
        head = catalog(language).header_comment
        for word in ("environment", "build", "image", "version", "workspace", "layer", "channel", "lock"):
            assert re.search(rf"\b{word}: ", head), f"{language}: {word}"


def unmarked(source: str) -> list[str]:
    """Return what a template says in letters of its own, past the marked texts."""
    rest = re.sub(r"\{% blocktranslate.*?endblocktranslate %\}|\{#.*?#\}", "", source, flags=re.S)
    rest = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "\0", rest, flags=re.S)
    rest = re.sub(r"<(code|kbd|script|style)\b.*?</\1>", "", rest, flags=re.S)
    texts = re.findall(r'(?:aria-label|title|placeholder|data-label|alt)="([^"]*)"', rest)
    texts += re.split(r"[\0\1]", re.sub(r"<[^<>]*>", "\1", rest))
    return [text.strip() for text in texts if re.search(r"[^\W\d_]{2}", re.sub(r"&\w+;", "", text))]


# Names and input that is the same in every language
UNTRANSLATED = {
    "Studio",
    "· Studio",
    "API · Studio",
    "Python",
    ", Python",
    "· Python",
    "prod",
    "team-vision",
    "CPU",
    "GPU",
    "GPU · CUDA",
    "docker.io/library/ubuntu:24.04",
    "conda,",
    "pip",
    "workspace/name:version",
    "CVSS",
    "CVE-2024-1234",
    "CVE-2024-22195 GHSA-…",
    "latest",
    "numpy==1.26.4",
    "python:3.11.10-slim",
    "numpy==2.1.3\npandas==2.2.3\nscikit-learn==1.5.2",
}


def test_templates_say_nothing_that_is_not_marked_for_translation() -> None:
    wrong = {}
    for path in sorted(ROOT.glob("templates/**/*.html")):
        left = [text for text in unmarked(path.read_text()) if text not in UNTRANSLATED]
        if left:
            wrong[path.relative_to(ROOT).as_posix()] = left

    assert not wrong, "Write {% translate … %} around: " + str(wrong)
