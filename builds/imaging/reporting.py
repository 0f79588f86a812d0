"""Report progress from long-running work to its caller, and the errors that it raises.

Everything here that takes time is given a `Reporter`. It writes lines for the log, says how far it is,
and asks often whether it should stop. What goes wrong is an `ImageError`: a sentence for people, a code
for programs, and whose fault it is.
"""

from __future__ import annotations

import re
from typing import Literal, Protocol

Fault = Literal["author", "studio", "outside"]
"""Whose fault: of the definition's author, of the studio itself, or of something outside of both."""

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\x1b[\]P^_X][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # links, window titles and the like
    r"|\x1b[ -/]*[0-~]?"  # incomplete escapes
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Return text without terminal escapes and control characters; its lines and tabs stay."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


class Reporter(Protocol):
    """The sink of a build's steps: their log lines, progress and cancellation."""

    def line(self, text: str) -> None:
        """Add one line to the log."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Say how far the step is; `total` is 0 while it is not known. Units: "bytes", "packages"."""

    def check(self) -> None:
        """Raise `Cancelled` when the build should stop. Called at least once a second of work."""


class ImageError(Exception):
    """A step that cannot go on: what happened, what to do about it, and whose fault it is."""

    def __init__(self, code: str, message: str, help: str = "", *, fault: Fault = "author") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.message} {self.help}".strip()


class Cancelled(ImageError):
    """The build was cancelled. Raised by `Reporter.check`; everything here lets it through."""

    def __init__(self, message: str = "Build cancelled.") -> None:
        super().__init__("cancelled", message, fault="author")


class Quiet:
    """A reporter that says nothing and is never cancelled."""

    def line(self, text: str) -> None:
        """Drop the line."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Drop the progress."""

    def check(self) -> None:
        """Go on."""
