"""Sentences that were made in English, on pages in other languages."""

from __future__ import annotations

import sys
import time

import pytest
from django.urls import reverse
from django.utils.translation import override, trans_real

from environments.definition import read
from environments.models import Role
from scripts import sentences
from studio.sentences import in_language, recognise
from studio.templatetags.findings import finding_message
from tests.builds.scenarios import browser_of, fail_build, person, queue_build, save_text

SWEDISH = {
    "you request {what}, but {who} needs {what2}": "du begär {what}, men {who} behöver {what2}",
    "These requirements conflict: {sides}.{alone}": "De här kraven krockar: {sides}.{alone}",
    "Loosen or change one of these versions.": "Lös upp eller ändra en av versionerna.",
    "it is a date": "det är ett datum",
}


@pytest.fixture(autouse=True)
def swedish(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog that has these translations."""
    messages = trans_real.translation("sv")._catalog._catalogs[0]  # type: ignore[attr-defined]
    for english, translation in SWEDISH.items():
        monkeypatch.setitem(messages, english, translation)


def _in_swedish(text: str) -> str:
    with override("sv"):
        return in_language(text)


def test_the_lists_hold_every_sentence_that_the_source_makes() -> None:
    assert sentences.main(["--check"]) == 0


def test_every_template_recognises_the_sentences_it_makes() -> None:
    for template in recognise._PARSED:
        text = template.text.format_map({name: f"<{name}>" for name in template.names})
        recognised = recognise._recognised(text)
        assert recognised is not None, template.text
        text_of_it, values = recognised
        assert text_of_it.format_map(dict(values)) == text


def test_a_sentence_keeps_its_values_and_what_is_inside_of_it_is_translated_too() -> None:
    text = "These requirements conflict: you request numpy==2.1.3, but scikit-learn 1.3.2 needs numpy<2.0."
    expected = "De här kraven krockar: du begär numpy==2.1.3, men scikit-learn 1.3.2 behöver numpy<2.0."
    assert _in_swedish(text) == expected
    assert in_language(text) == text  # an English page


def test_several_sentences_are_translated_each_by_itself() -> None:
    text = "Loosen or change one of these versions. What nobody has in a list stays."
    assert _in_swedish(text) == "Lös upp eller ändra en av versionerna. What nobody has in a list stays."


def test_a_phrase_that_was_given_a_capital_keeps_it() -> None:
    assert _in_swedish("It is a date") == "Det är ett datum"


@pytest.mark.parametrize(
    "text", ["", " ", "numpy", "{", "}{0}", "{what} %s %(x)d \x00", "<b>it is</b>", "a" * 5_000]
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert _in_swedish(text) == text


def test_values_with_braces_and_markup_are_inserted_as_they_are() -> None:
    text = "you request {what}<script>, but {0.__class__} needs %s"
    assert _in_swedish(text) == "du begär {what}<script>, men {0.__class__} behöver %s"


def test_the_reasons_in_a_finding_are_translated() -> None:
    finding = next(
        each
        for each in read("name: a\nimage: python:3.11\nnewest: 2026-06-01\n", "environment.yml").findings
        if each.code == "bad-cutoff"
    )
    with override("sv"):
        assert "det är ett datum" in finding_message(finding)


@pytest.mark.django_db
def test_the_page_of_a_failed_build_is_in_the_readers_language() -> None:
    ada = person("ada", lab=Role.OWNER)
    build = queue_build(save_text("numpy==2.1.3\n"), ada)
    message = "These requirements conflict: you request numpy==2.1.3, but pandas <1 needs numpy<2."
    fail_build(build, code="conflict", error=message, help="Loosen or change one of these versions.")
    page = (
        browser_of(ada)
        .get(reverse("builds:build", args=["lab", build.pk]), headers={"accept-language": "sv"})
        .text
    )
    assert "De här kraven krockar: du begär numpy==2.1.3, men pandas &lt;1 behöver numpy&lt;2." in page
    assert "Lös upp eller ändra en av versionerna." in page


def test_a_hostile_text_takes_linear_time() -> None:
    text = "you request " + ", but a needs b" * 260
    start = time.process_time()
    for number in range(20):
        _in_swedish(f"{text}{number}")
    assert time.process_time() - start < 5


def test_every_list_of_sentences_is_known() -> None:
    lists = {name.rpartition(".")[2] for name in sys.modules if name.startswith("studio.sentences.of_")}

    assert lists == sentences.TARGETS.keys()


def test_a_sentence_of_healing_is_in_the_readers_language() -> None:
    text = "forecast:2 was saved in the meantime."

    assert _in_swedish(text).startswith("forecast:2 ")
    assert _in_swedish(text) != text
