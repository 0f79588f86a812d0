"""A finding about a definition: code, severity, location, meaning, advice, and the edit that mends it (rules 45-47)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
Translate = Callable[[str], str]

_TWO_ENDS = re.compile(r"([.?!…])”?\.$")
_ARTICLE = re.compile(r"(?:the|this|a|an|each|what|one) ")


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in a text: lines and columns count from 1, and the end is not part of it."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str

    def as_json(self) -> dict[str, object]:
        """Return the edit as a JSON object."""
        return {
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "end_column": self.end_column,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits of the text that mend a finding, named by their result in English.

    A `safe` fix leaves no choice: what the definition means is the same, or is what its author plainly meant.
    """

    label: str
    edits: tuple[Edit, ...]
    safe: bool = False
    values: tuple[tuple[str, str], ...] = ()
    template: str = ""
    """The label before `values` are put in, for translation."""

    def as_json(self) -> dict[str, object]:
        """Return the fix as a JSON object."""
        return {"label": self.label, "safe": self.safe, "edits": [edit.as_json() for edit in self.edits]}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `line` and `column` count from 1; `file` is its file if several were read."""

    code: str
    severity: Severity
    message: str
    help: str
    line: int | None = None
    column: int | None = None
    file: str = ""
    values: tuple[tuple[str, str], ...] = ()
    """What the catalogue's message was filled in with, by name."""
    fix: Fix | None = None

    @property
    def key(self) -> str:
        """The name of its fix in a form: its code and its position."""
        return f"{self.code}:{self.line or 0}:{self.column or 0}"

    def value(self, name: str) -> str:
        """Return one of the values; empty where it has none of that name."""
        return dict(self.values).get(name, "")

    def as_json(self) -> dict[str, object]:
        """The finding as a JSON object."""
        return {
            "code": self.code,
            "severity": self.severity,
            "line": self.line,
            "column": self.column,
            "file": self.file,
            "message": self.message,
            "help": self.help,
            "fix": self.fix.as_json() if self.fix else None,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind of finding: its code and severity, a title, the message, why it matters, what to do.

    The `hint` is added to the message where a value `meant` is known.
    """

    code: str
    severity: Severity
    title: str
    message: str
    why: str
    help: str
    hint: str = ""

    def message_of(self, values: Mapping[str, str], translate: Translate = str) -> str:
        """Return the message with these values, in the language of `translate`."""
        text = filled(translate(self.message), values)
        if self.hint and values.get("meant"):
            text += f" {filled(translate(self.hint), values)}"
        return text


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a sentence with these values: with a capital at its start and a single stop at its end."""
    text = template.format_map(values)
    if template.startswith("{") and _ARTICLE.match(text):
        text = text[0].upper() + text[1:]
    return _TWO_ENDS.sub(lambda match: match[0][:-1], text)


def shown(value: object) -> str:
    """Return a value as text without characters that a terminal or a page would obey."""
    text = str(value)
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(sign: str) -> str:
    return sign if sign.isprintable() else repr(sign)[1:-1]
