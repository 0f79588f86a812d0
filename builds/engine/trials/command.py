"""Run the smoke test of a definition in a container of its image: without network, with limits."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from django.conf import settings

from builds.engine.exchange import EngineRefused
from builds.engine.trials.loading import LoadedImage
from builds.imaging.reporting import Reporter, plain

SHELL = "/bin/sh"
KEPT_LINES = 40
KEPT_CHARACTERS = 4_000
MOST_CHARACTERS = 2_000_000
LONGEST_LINE = 1_000


class _TooMuch(Exception):
    """The command took too long, or wrote too much; the sentence says which."""


@dataclass(frozen=True)
class Ran:
    """The end of a command: whether it succeeded, a sentence on it, and the end of its output."""

    passed: bool
    ending: str
    output: str
    seconds: float


class _Limited:
    """A reporter that keeps the end of the output, hands lines to the log, and stops a command that goes on too long."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._until = time.monotonic() + settings.TRIAL_SECONDS
        self._written = 0
        self.last: deque[str] = deque(maxlen=KEPT_LINES)

    def line(self, text: str) -> None:
        self._written += len(text) + 1
        text = plain(text)[:LONGEST_LINE]
        self.last.append(text)
        if self._written > MOST_CHARACTERS:
            raise _TooMuch(f"It wrote more than {MOST_CHARACTERS:,} characters.")
        self._reporter.line(text)

    def progress(self, done: int, total: int, unit: str) -> None:
        self._reporter.progress(done, total, unit)

    def check(self) -> None:
        self._reporter.check()
        if time.monotonic() > self._until:
            raise _TooMuch(f"It did not end within {settings.TRIAL_SECONDS} seconds.")


def command_in(image: LoadedImage, command: str, reporter: Reporter) -> Ran:
    """Run a command of the shell in an image that the engine has, and return how it ended."""
    limited = _Limited(reporter)
    began = time.monotonic()
    try:
        with image.started([SHELL, "-c"], [command], folder="/tmp") as running:  # noqa: S108
            code = running.run(limited)
            ending = "It succeeded." if code == 0 else _ending(code)
            passed = code == 0
    except _TooMuch as much:
        passed, ending = False, str(much)
    except EngineRefused as error:
        passed, ending = False, f"{SHELL} cannot be started: {error.message[:500]}"
    output = "\n".join(limited.last)[-KEPT_CHARACTERS:]
    return Ran(passed, ending, output, time.monotonic() - began)


def _ending(code: int) -> str:
    if code == 137:
        return "It was killed, most likely because it took too much memory."
    return f"It ended with exit code {code}."
