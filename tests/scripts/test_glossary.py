"""The check of names and sentences against the glossary."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.glossary import NAMES, PARTS, in_document, in_python

CONTRIBUTING = Path("CONTRIBUTING.md")


def rules(text: str) -> list[str]:
    return [violation.rule for violation in in_python("module.py", text)]


@pytest.mark.parametrize(
    "text",
    [
        "found = 1\n",
        "def load(place): ...\n",
        "class Told: ...\n",
        "for one in (): pass\n",
        "self.asked_by = 1\n",
        "import os as words\n",
        "try: ...\nexcept OSError as said: ...\n",
    ],
)
def test_a_name_from_the_list_is_reported(text: str) -> None:
    assert rules(text) == ["name"]


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("Build the image anew.", "anew"),
        ("The lock stands in the row.", "stand"),
        ("Return the builds that were asked for.", "asked for"),
        ("Delete the old one, keep the new one.", "one as a noun"),
        ("Whoever has the claim may write.", "whoever"),
        ("What every page shows.", "opening"),
        ("Who may see a page.", "opening"),
        ("Tell whether it is there.", "tell whether"),
    ],
)
def test_a_sentence_that_sounds_translated_is_reported_in_docstrings_and_comments(
    sentence: str, rule: str
) -> None:
    assert rule in rules(f'"""{sentence}"""\n')
    assert rule in rules(f"# {sentence}\nx = 1\n")


@pytest.mark.parametrize(
    "text",
    [
        "not_found = 1\n",
        "one_time = 1\n",
        "placeholder = 1\n",
        'message = "The package was not found anew"\n',
        '"""Return the image, or None when it was not found; one row per image."""\n',
        "# What does `found` mean here?\n",
    ],
)
def test_what_engineers_write_is_left_alone(text: str) -> None:
    assert rules(text) == []


def test_the_name_of_a_test_is_read_as_a_sentence() -> None:
    assert rules("def test_the_owner_is_told(): ...\n") == ["told"]


def test_documents_are_read_without_their_code_and_their_quotations() -> None:
    text = "It was asked for.\n\n```sh\n# asked for\n```\n\nNot `asked for`, nor *asked for*.\n"
    assert [violation.line for violation in in_document("page.md", text)] == [1]


def test_contributing_lists_every_word_that_the_check_refuses() -> None:
    text = CONTRIBUTING.read_text()
    assert [word for word in (*PARTS, *NAMES) if f"*{word}*" not in text] == []
