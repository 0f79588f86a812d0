"""The pages in four languages: which one a reader gets, and that none of their texts is left behind."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from django.conf import settings
from django.template.engine import Engine
from django.test import Client
from django.urls import reverse
from django.utils import translation

from environments.models import Role
from scripts.messages import Texts, as_mo, as_po, collect, merged, place_of, texts_of, untranslated
from studio.templatetags import studio as tags
from tests.access.asking import Cell, Studio
from tests.access.expected import BUILD, PAGES
from tests.builds.played import asked, browser_of, person, saved

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [language for language, _ in settings.LANGUAGES if language != settings.LANGUAGE_CODE]


# What programs read, and what comes piece by piece
NO_PAGES = {"healthz", "readyz", "metrics", f"{BUILD}stream", f"{BUILD}log.txt"}


def lang_of(page: str) -> str:
    found = re.search(r'<html lang="([^"]+)"', page)
    return found[1] if found else ""


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
    assert ">English</button>" in page  # whoever looks for it reads no Spanish


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
def test_a_build_that_two_watch_is_told_to_each_in_their_language() -> None:
    from builds.sights import Sight, state_html, steps_html

    build = asked(saved("numpy==2.1.3"))
    sight = Sight(build, None)
    nobody: frozenset[str] = frozenset()

    english = state_html(sight, (nobody, False, "", "en"))
    swedish = state_html(sight, (nobody, False, "", "sv"))

    assert "Queued" in english
    assert "Queued" not in swedish
    assert steps_html(sight, "sv") != steps_html(sight, "en")


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


@pytest.fixture(scope="module")
def texts() -> dict[str, Texts]:
    found = collect()
    return {language: merged(language, found) for language in OTHERS}


def test_texts_are_found_in_every_form_in_which_templates_have_them() -> None:
    source = """{% load i18n %}{% translate "a 100%" %}{% translate "b" context "verb" %}
      {{ x|default:_("c") }}{% include "y" with what=_("d") %}
      {% blocktranslate trimmed with n=x %}
        e {{ n }}
        f
      {% endblocktranslate %}{% if x %}{% blocktranslate count n=x %}g{% plural %}{{ n }} h{% endblocktranslate %}{% endif %}"""

    found = [(text.words, text.context) for text in texts_of(source, "x.html", Engine.get_default())]

    assert sorted(found, key=str) == sorted(
        [
            ("a 100%%", None),
            ("b", "verb"),
            ("c", None),
            ("d", None),
            ("e %(n)s f", None),
            (("g", "%(n)s h"), None),
        ],
        key=str,
    )


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_kept_is_what_make_messages_writes(language: str, texts: dict[str, Texts]) -> None:
    place = place_of(language)

    assert place.read_bytes() == as_po(texts[language]), "Run `make messages`."
    assert place.with_suffix(".mo").read_bytes() == as_mo(texts[language]), "Run `make messages`."


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str, texts: dict[str, Texts]) -> None:
    assert untranslated(texts[language]) == []


PLACES = re.compile(r"%\(\w+\)s|%%|\{\w+\}|</?\w+[^>]*>|&\w+;")


def pairs(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Return each text beside its translation; each form beside the one that it stands for."""
    for one in catalog:
        if one.id and isinstance(one.id, str):
            yield one.id, str(one.string)
        elif one.id:
            for number, form in enumerate(one.string or ()):
                yield one.id[min(number, 1)], form


@pytest.mark.parametrize("language", OTHERS)
def test_translations_keep_places_tags_and_the_end_of_the_sentence(
    language: str, texts: dict[str, Texts]
) -> None:
    wrong = [
        f"{words!r}: {said!r}"
        for words, said in pairs(texts[language])
        if sorted(PLACES.findall(words)) != sorted(PLACES.findall(said))
        or (words[-1:] in ".:?!" and words[-1:] != said[-1:])
        or words != words.strip()
        or said != said.strip()
    ]

    assert not wrong, "\n".join(wrong)


def test_each_language_says_in_its_file_which_words_it_uses() -> None:
    for language in OTHERS:
        with place_of(language).open("rb") as file:
            head = read_po(file).header_comment
        for word in ("environment", "build", "image", "version", "workspace", "layer", "channel", "lock"):
            assert re.search(rf"\b{word}: ", head), f"{language}: {word}"


def unmarked(source: str) -> list[str]:
    """Return what a template says in letters of its own, past the marked texts."""
    rest = re.sub(r"\{% blocktranslate.*?endblocktranslate %\}|\{#.*?#\}", "", source, flags=re.S)
    rest = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "\0", rest, flags=re.S)
    rest = re.sub(r"<(code|kbd|script|style)\b.*?</\1>", "", rest, flags=re.S)
    said = re.findall(r'(?:aria-label|title|placeholder|data-label|alt)="([^"]*)"', rest)
    said += re.split(r"[\0\1]", re.sub(r"<[^<>]*>", "\1", rest))
    return [text.strip() for text in said if re.search(r"[^\W\d_]{2}", re.sub(r"&\w+;", "", text))]


# Names, and what is typed as it stands
SAID_EVERYWHERE = {
    "Studio",
    "· Studio",
    "API · Studio",
    "Python",
    ", Python",
    "conda,",
    "pip",
    "workspace/name:version",
    "numpy==2.1.3\npandas==2.2.3\nscikit-learn==1.5.2",
}


def test_templates_say_nothing_that_is_not_marked_for_translation() -> None:
    wrong = {}
    for path in sorted(ROOT.glob("templates/**/*.html")):
        left = [text for text in unmarked(path.read_text()) if text not in SAID_EVERYWHERE]
        if left:
            wrong[path.relative_to(ROOT).as_posix()] = left

    assert not wrong, "Write {% translate … %} around: " + str(wrong)
