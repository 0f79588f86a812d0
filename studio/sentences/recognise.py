"""Recognise the template of a sentence, and its values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

from django.utils.translation import get_language, gettext

from studio.sentences import (
    of_builds,
    of_definitions,
    of_environments,
    of_formats,
    of_images,
    of_packages,
    of_patches,
)

MOST_CHARACTERS = 4_000
"""Longer texts are output of tools."""
MOST_SENTENCES = 8
MOST_DEPTH = 3
"""Values may be sentences, and their values too."""

_LISTS = (of_builds, of_definitions, of_environments, of_formats, of_images, of_packages, of_patches)
_END = re.compile(r"(?<=[.?!…”])(?<!\.\.) (?=[A-Z“\[{])")


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence with gaps: its literal parts, and the name of the value between each two."""

    text: str
    parts: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def letters(self) -> int:
        """The number of characters that are its own."""
        return sum(map(len, self.parts))

    def values_in(self, text: str) -> dict[str, str] | None:
        """Return the values that make this sentence; None where it is another. Takes linear time."""
        first, last = self.parts[0], self.parts[-1]
        if len(text) < self.letters or not text.startswith(first) or not text.endswith(last):
            return None
        at, end = len(first), len(text) - len(last)
        values: dict[str, str] = {}
        for name, part in zip(self.names, (*self.parts[1:-1], None), strict=True):
            until = end if part is None else _find(part, text, at, end)
            if until < at:
                return None
            values[name] = text[at:until]
            at = until + len(part or "")
        return values


def _find(part: str, text: str, at: int, end: int) -> int:
    """Return where a literal part begins; a full stop before a digit or letter is part of a version or name."""
    until = text.find(part, at, end)
    while part.endswith(".") and until >= 0 and text[until + len(part) : until + len(part) + 1].isalnum():
        until = text.find(part, until + 1, end)
    return until


def in_language(text: str) -> str:
    """Return an English text in the language of the page; what is in no list stays as it is."""
    language = get_language() or "en"
    if not text or language.partition("-")[0] == "en":
        return text
    return _translated(str(text), MOST_DEPTH) or text


def _translated(text: str, depth: int) -> str:
    """Return a translation; empty where there is none."""
    if len(text) > MOST_CHARACTERS or not depth:
        return ""
    stripped = text.strip()
    if not stripped:
        return ""
    return _as_one(stripped, depth) or _as_several(stripped, depth)


def _as_one(text: str, depth: int) -> str:
    if (known := gettext(text)) != text:
        return known
    for capital in (False, True):
        # A sentence that begins with a value or a list of reasons was given a capital.
        tried = text[:1].lower() + text[1:] if capital else text
        recognised = _recognised(tried)
        if recognised is None:
            continue
        template, values = recognised
        translation = gettext(template)
        if translation == template:
            continue
        filled = _filled(translation, {name: _value(value, depth) for name, value in values})
        return filled[:1].upper() + filled[1:] if capital else filled
    return ""


def _as_several(text: str, depth: int) -> str:
    sentences = _END.split(text)
    if not 1 < len(sentences) <= MOST_SENTENCES:
        return ""
    translations = [_as_one(sentence, depth) for sentence in sentences]
    if not any(translations):
        return ""
    return " ".join(new or old for new, old in zip(translations, sentences, strict=True))


def _value(value: str, depth: int) -> str:
    # A word by itself is a name that somebody chose.
    return (_translated(value, depth - 1) or value) if " " in value.strip() else value


def _filled(template: str, values: Mapping[str, str]) -> str:
    try:
        return template.format_map(values)
    except (KeyError, IndexError, ValueError):
        return ""


@lru_cache(maxsize=2_000)
def _recognised(text: str) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """Return a sentence's template and its values; of several templates that with most letters of its own."""
    if text in _WHOLE:
        return _WHOLE[text], ()
    for template in _WITH_GAPS:
        values = template.values_in(text)
        if values is not None:
            return template.text, tuple(values.items())
    return None


def _parsed(text: str) -> Template:
    parts, names = [""], []
    for literal, name, _spec, _conversion in Formatter().parse(text):
        parts[-1] += literal
        if name is not None:
            names.append(name)
            parts.append("")
    return Template(text, tuple(parts), tuple(names))


_PARSED = [_parsed(text) for each in _LISTS for text in each.TEMPLATES]
_WHOLE = {template.parts[0]: template.text for template in _PARSED if not template.names}
_WITH_GAPS = sorted(
    (template for template in _PARSED if template.names), key=lambda template: -template.letters
)
