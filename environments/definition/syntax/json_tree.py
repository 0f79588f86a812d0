"""JSON as a tree of nodes that know where they stand, bounded in depth and size."""

from __future__ import annotations

import json
from json.decoder import scanstring  # type: ignore[attr-defined]

from environments.definition.syntax.nodes import (
    DEEPEST,
    MOST_NODES,
    Mapping,
    Scalar,
    Sequence,
    Tree,
    Unreadable,
)


def document(text: str) -> Tree:
    """Return the document of a JSON text. Raises Unreadable."""
    return _Json(text).document()


class _Json:
    """A JSON reader that keeps lines and columns."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.nodes = 0
        self.line, self.line_start, self.counted = 1, 0, 0

    def document(self) -> Tree:
        node = self._value(0)
        self._space()
        if self.at < len(self.text):
            raise self._wrong("the JSON ended before this")
        return node

    def _wrong(self, what: str) -> Unreadable:
        return Unreadable(what, *self._position())

    def _position(self) -> tuple[int, int]:
        # From where it was counted last: a document may be a single line.
        newlines = self.text.count("\n", self.counted, self.at)
        if newlines:
            self.line += newlines
            self.line_start = self.text.rindex("\n", self.counted, self.at) + 1
        self.counted = max(self.counted, self.at)
        return self.line, self.at - self.line_start + 1

    def _space(self) -> None:
        text, at = self.text, self.at
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        self.at = at

    def _value(self, depth: int) -> Tree:
        self._space()
        if depth > DEEPEST:
            raise self._wrong(f"the nesting is deeper than {DEEPEST} levels")
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self._wrong(f"this is more than {MOST_NODES} values")
        sign = self.text[self.at : self.at + 1]
        if sign == "{":
            return self._mapping(depth)
        if sign == "[":
            return self._sequence(depth)
        line, column = self._position()
        if sign == '"':
            return Scalar(self._string(), False, line=line, column=column)
        end = self.at
        while end < len(self.text) and self.text[end] not in ',]}: \t\r\n"':
            end += 1
        word = self.text[self.at : end]
        if word not in ("true", "false", "null"):
            try:
                json.loads(word)
            except (ValueError, RecursionError):
                raise self._wrong("a JSON value was expected here") from None
        self.at = end
        return Scalar(word, line=line, column=column)

    def _string(self) -> str:
        text: str
        try:
            text, self.at = scanstring(self.text, self.at + 1, True)
        except ValueError as error:
            raise self._wrong(str(error).partition(":")[0].lower()) from None
        if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise self._wrong("this string has half of a surrogate pair")
        return text

    def _mapping(self, depth: int) -> Mapping:
        line, column = self._position()
        node = Mapping(line=line, column=column)
        self.at += 1
        self._space()
        if self._eat("}"):
            return node
        while True:
            self._space()
            key_line, key_column = self._position()
            if self.text[self.at : self.at + 1] != '"':
                raise self._wrong("a key in double quotes was expected here")
            key = Scalar(self._string(), False, line=key_line, column=key_column)
            self._space()
            if not self._eat(":"):
                raise self._wrong("':' was expected here")
            node.put(key, self._value(depth + 1))
            self._space()
            if self._eat("}"):
                return node
            if not self._eat(","):
                raise self._wrong("',' or '}' was expected here")

    def _sequence(self, depth: int) -> Sequence:
        line, column = self._position()
        node = Sequence(line=line, column=column)
        self.at += 1
        self._space()
        if self._eat("]"):
            return node
        while True:
            node.items.append(self._value(depth + 1))
            self._space()
            if self._eat("]"):
                return node
            if not self._eat(","):
                raise self._wrong("',' or ']' was expected here")

    def _eat(self, sign: str) -> bool:
        if self.text[self.at : self.at + 1] == sign:
            self.at += 1
            return True
        return False
