"""Flags, words and variables of an instruction, read as BuildKit and the classic builder read them.

Sources: `extractBuilderFlags` and `parseMaybeJSONToList` of moby/buildkit's parser, and its `shell/lex.go`.
All of it takes time linear in the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

LONGEST_VALUE = 4096
_DEEPEST = 10
_SPACE = re.compile(r"[\t\v\f\r ]+")
_NAME = re.compile(r"[A-Za-z_]\w*|[0-9]+", re.ASCII)
_PLAIN = re.compile(r"[^\s\\\"']*+")


class Unreadable(ValueError):
    """Text that programs may read differently; the message says why."""


def flags_of(arguments: str) -> tuple[list[str], str]:
    """Return the flags at the beginning of an instruction's arguments, without quotes, and the rest."""
    flags: list[str] = []
    at, end = 0, len(arguments)
    while True:
        while at < end and arguments[at].isspace():
            at += 1
        if not arguments.startswith("--", at):
            return flags, arguments[at:]
        pieces: list[str] = []
        quote = ""
        while at < end and (quote or not arguments[at].isspace()):
            sign = arguments[at]
            if sign == "\\" and at + 1 < end:
                at += 1
                pieces.append(arguments[at])
            elif sign == quote:
                quote = ""
            elif not quote and sign in "'\"":
                quote = sign
            elif sign != "\\":
                pieces.append(sign)
            at += 1
        if quote:
            raise Unreadable(f"a flag has a {quote} without its end")
        flag = "".join(pieces)
        if (
            not flag.isascii()
        ):  # builders read flags byte by byte, and some bytes of letters are spaces to them
            raise Unreadable("a flag holds a sign that is not ASCII")
        if flag == "--":
            return flags, arguments[at:].lstrip()
        flags.append(flag)


def written_flags(flags: list[str]) -> str:
    """Return flags so that any builder reads them as these, with a space behind each."""
    return "".join(re.sub(r"([\s\\\"'])", r"\\\1", flag) + " " for flag in flags)


def words_of(text: str) -> tuple[list[str], bool]:
    """Return the words of COPY or ADD as they are written, and whether they are a JSON list."""
    if text.startswith("["):
        try:
            parts = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Unreadable("it begins with [ and is no JSON list of strings") from error
        if not isinstance(parts, list) or not all(isinstance(word, str) for word in parts):
            raise Unreadable("it begins with [ and is no JSON list of strings")
        return parts, True
    return [word for word in _SPACE.split(text) if word], False


def written_words(parts: list[str], *, as_json: bool) -> str:
    """Return the words of COPY or ADD as an instruction has them."""
    return json.dumps(parts) if as_json else " ".join(parts)


@dataclass
class Expansion:
    """Text with its variables filled in. `missing` are variables without a value."""

    known: Mapping[str, str]
    escape: str = "\\"
    missing: set[str] = field(default_factory=set)

    def word(self, text: str) -> str:
        """Return a word without its quotes, its variables filled in. Raises Unreadable."""
        result, _ = self._until(text, 0, "", quotes=True, depth=0)
        return result

    def text(self, text: str) -> str:
        """Return text with its variables filled in; quotes mean nothing in it. Raises Unreadable."""
        result, _ = self._until(text, 0, "", quotes=False, depth=0)
        return result

    def _until(self, text: str, at: int, stop: str, *, quotes: bool, depth: int) -> tuple[str, int]:
        pieces: list[str] = []
        length, quote = 0, ""
        while at < len(text):
            sign = text[at]
            if sign == stop and not quote:
                break
            if quote == "'":
                quote, piece, at = ("", "", at + 1) if sign == "'" else (quote, sign, at + 1)
            elif quotes and sign == self.escape and at + 1 < len(text):
                kept = quote and text[at + 1] not in ('"', "$", self.escape)
                piece, at = (text[at : at + 2] if kept else text[at + 1]), at + 2
            elif quotes and sign in "'\"" and (not quote or sign == quote):
                quote, piece, at = ("" if quote else sign), "", at + 1
            elif sign == "$":
                piece, at = self._dollar(text, at + 1, quotes=quotes, depth=depth)
            else:
                piece, at = sign, at + 1
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST_VALUE:
                raise Unreadable(f"it is longer than {LONGEST_VALUE} signs with its variables filled in")
        if quote:
            raise Unreadable(f"it has a {quote} without its end")
        return "".join(pieces), at

    def _dollar(self, text: str, at: int, *, quotes: bool, depth: int) -> tuple[str, int]:
        braces = text.startswith("{", at)
        match = _NAME.match(text, at + braces)
        if match is None:
            if braces:
                raise Unreadable("a variable has no name")
            return "$", at
        name, at = match[0], match.end()
        value = self.known.get(name)
        if not braces:
            return self._value(name, value), at
        if text.startswith("}", at):
            return self._value(name, value), at + 1
        colon = text.startswith(":", at)
        sign = text[at + colon : at + colon + 1]
        if not sign or sign not in "-+" or depth >= _DEEPEST:
            raise Unreadable(f"${{{name}… is a form of variable that the studio does not read")
        before = set(self.missing)
        word, at = self._until(text, at + colon + 1, "}", quotes=quotes, depth=depth + 1)
        if not text.startswith("}", at):
            raise Unreadable(f"${{{name}… has no end")
        there = value is not None and (bool(value) or not colon)
        if there != (sign == "+"):
            self.missing = before  # the other word does not count
            return (value or "") if there else "", at + 1
        return word, at + 1

    def _value(self, name: str, value: str | None) -> str:
        if value is None:
            self.missing.add(name)
        return value or ""


def assignments(text: str) -> list[tuple[str, str | None]]:
    """Return the names and written values of ENV or ARG; the value is None where there is no `=`."""
    result: list[tuple[str, str | None]] = []
    for word in quoted_words(text):
        name, equals, value = word.partition("=")
        result.append((name, value if equals else None))
    return result


def quoted_words(text: str) -> list[str]:
    """Return words that spaces separate, except in quotes and behind a backslash; quotes stay."""
    parts: list[str] = []
    pieces: list[str] = []
    quote, at = "", 0
    while at < len(text):
        if not quote and (match := _PLAIN.match(text, at)) is not None and match[0]:
            pieces.append(match[0])
            at = match.end()
            continue
        sign = text[at]
        if sign == "\\" and quote != "'" and at + 1 < len(text):
            pieces.append(text[at : at + 2])
            at += 2
            continue
        if not quote and sign.isspace():
            if pieces:
                parts.append("".join(pieces))
                pieces = []
        else:
            if sign in "'\"" and (not quote or quote == sign):
                quote = "" if quote else sign
            pieces.append(sign)
        at += 1
    return [*parts, "".join(pieces)] if pieces else parts
