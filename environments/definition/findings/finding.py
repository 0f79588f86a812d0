"""A finding about a definition: code, severity, location, meaning, advice (rules 45-47)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


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
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind of finding: its code and severity, a title, the message, why it matters, what to do."""

    code: str
    severity: Severity
    title: str
    message: str
    why: str
    help: str
