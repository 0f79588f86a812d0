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
    """A step that cannot go on: what happened, what to do about it, and whose fault it is.

    `detail` is the raw text of a tool or library, for a folded part below the sentence. `subject` is what the
    definition says that fails: a requirement, a package's name, an image; `source_line` its line where that is known.
    """

    def __init__(
        self,
        code: str,
        message: str,
        help: str = "",
        *,
        fault: Fault = "author",
        detail: object = "",
        subject: str = "",
        source_line: int | None = None,
    ) -> None:
        super().__init__(message)
        self.detail = plain(str(detail))
        self.subject = subject
        self.source_line = source_line
        self.code = code
        self.message = message
        self.help = help
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.message} {self.help}".strip()


_REASONS = (
    (
        re.compile(
            r"name or service not known|name resolution|getaddrinfo|nodename nor servname|no address", re.I
        ),
        "host name not found",
    ),
    (re.compile(r"connection refused", re.I), "connection refused"),
    (re.compile(r"no route to host|network is unreachable", re.I), "no way through the network"),
    (re.compile(r"timed? ?out|timeout", re.I), "no answer in time"),
    (re.compile(r"certificate|ssl|tls", re.I), "its certificate can't be verified"),
    (
        re.compile(r"connection (?:aborted|reset)|broken pipe|disconnected|eof|closed", re.I),
        "the connection broke off",
    ),
    (re.compile(r"no such file|filenotfounderror", re.I), "nothing listens there"),
    (re.compile(r"permission denied|permissionerror", re.I), "permission denied"),
    (re.compile(r"\b(?:it answered|status(?: code)?:?|http) (\d{3})\b", re.I), "it answered {}"),
)


def short_reason(error: object) -> str:
    """Return why a connection failed in a few English words, of what a library says about it."""
    text = plain(f"{type(error).__name__ if isinstance(error, BaseException) else ''} {error}")
    for pattern, reason in _REASONS:
        if match := pattern.search(text):
            return reason.format(*match.groups())
    return "it doesn't answer as it should"


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
