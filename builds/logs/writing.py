"""Lines on their way to a build's log: cleaned, masked, numbered, and written as chunks of whole lines."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from builds.claims import Claim
from builds.logs.secrets import Secrets

CHUNK_CHARACTERS = 64 * 1024
LINE_CHARACTERS = 8 * 1024
LOG_LINES = 200_000
LOG_CHARACTERS = 64 * 1024 * 1024
LAST_LINES = 200
"""How many lines of what a full log left out are written at its end: they say why a build failed."""

_HELD_SECONDS = 1.0
_REMEMBERED = 2_000
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

Seen = Callable[[int, str, str], None]
"""Told of each line when it has been written: its number, its step, its text."""


def clean(text: str, secrets: Secrets | None = None) -> str:
    """Return one line fit to be kept: no secret, no NUL, no line break, of bounded length."""
    return _cut((secrets or Secrets()).masked(_tidied(text)))


def _tidied(text: str) -> str:
    # What overwrote itself on a terminal is kept as its last state.
    text = text.rstrip("\r\n").rsplit("\r", 1)[-1]
    return _UNSTORABLE.sub("\ufffd", text)


def _cut(line: str) -> str:
    if len(line) <= LINE_CHARACTERS:
        return line
    return f"{line[:LINE_CHARACTERS]} … ({len(line) - LINE_CHARACTERS:,} characters cut)"


class LogWriter:
    """Lines on their way to the log. Any thread adds; `flush` writes them as one chunk for each step."""

    def __init__(
        self, claim: Claim, lines_before: int, *, secrets: Iterable[str] = (), seen: Seen | None = None
    ) -> None:
        self.claim = claim
        self.step = ""
        self.lines = lines_before  # how many lines the log has, those on their way included
        self.last: deque[tuple[int, str]] = deque(maxlen=_REMEMBERED)  # the newest that are written
        self._hidden = tuple(secrets)
        self._secrets = Secrets(self._hidden)
        self._seen = seen
        self._written = lines_before
        self._waiting: list[tuple[str, str]] = []  # step and line, as they came
        self._ready: list[tuple[str, str]] = []  # without secrets
        self._held = (-1, 0.0)
        self._characters = 0
        self._left_out = 0
        self._kept_back: deque[tuple[str, str]] = deque(maxlen=LAST_LINES)
        self._ending = False
        self._guard = threading.Lock()
        self._flushing = threading.Lock()

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these too, from now on, in every form in which they may be printed."""
        with self._guard:
            self._hidden += tuple(secrets)
            self._secrets = Secrets(self._hidden)

    def masked(self, text: str) -> str:
        """Return text as the log would show it: for what is said of the build elsewhere."""
        return self._secrets.masked(text)

    def add(self, text: str) -> None:
        """Add text; each of its lines becomes a line of the log."""
        with self._guard:
            for line in text.split("\n"):
                self._add(_tidied(line))

    def _add(self, line: str) -> None:
        full = self.lines >= LOG_LINES or self._characters >= LOG_CHARACTERS
        if self._ending or not (full or self._left_out):
            self._push(self.step, line)
            return
        if not self._left_out:
            self._push(
                self.step, f"The log is full: of what follows line {self.lines:,}, only the end is kept."
            )
        self._left_out += 1
        self._kept_back.append((self.step, line))

    def _push(self, step: str, line: str) -> None:
        self._waiting.append((step, line))
        self._characters += min(len(line), LINE_CHARACTERS) + 1
        self.lines += 1

    def let_the_end_in(self) -> None:
        """Add the last of the lines that a full log left out; what is still to come is taken again."""
        with self._guard:
            if self._left_out > len(self._kept_back):
                left_out = self._left_out - len(self._kept_back)
                self._push(self.step, f"… {left_out:,} lines are not kept …")
            for step, line in self._kept_back:
                self._push(step, line)
            self._kept_back.clear()
            self._left_out = 0
            self._ending = True

    @property
    def empty(self) -> bool:
        """Whether everything has been written."""
        return not (self._waiting or self._ready)

    def flush(self, *, everything: bool = False) -> None:
        """Write what waits, in order.

        A line that may end in the first half of a secret waits a moment for the next one, unless `everything`
        has to go.
        """
        with self._flushing:
            with self._guard:
                self._make_ready(everything)
            while self._ready:
                step, taken = self._ready[0][0], self._in_one_chunk()
                lines = [line for _, line in self._ready[:taken]]
                # Where this fails, they are still there for the next flush.
                self.claim.append("\n".join(lines) + "\n", taken, step, after=self._written)
                del self._ready[:taken]
                for line in lines:
                    self._written += 1
                    self.last.append((self._written, line))
                    if self._seen is not None:
                        self._seen(self._written, step, line)

    def _make_ready(self, everything: bool) -> None:
        text = self._secrets.masked("\n".join(line for _, line in self._waiting))
        lines = text.split("\n") if self._waiting else []
        held = 0 if everything else self._to_hold(text, len(lines))
        free = len(lines) - held
        steps = [step for step, _ in self._waiting]
        self._ready += [(step, _cut(line)) for step, line in zip(steps[:free], lines[:free], strict=True)]
        self._waiting = self._waiting[free:]

    def _to_hold(self, text: str, count: int) -> int:
        held = self._secrets.lines_open(text)
        first = self.lines - held
        if not held or not count:
            return 0
        if self._held[0] != first:
            self._held = (first, time.monotonic())
        elif time.monotonic() - self._held[1] > _HELD_SECONDS:
            return 0
        return min(held, count)

    def _in_one_chunk(self) -> int:
        """Return how many of the lines that are ready make the next chunk: of one step, of bounded size."""
        step, size, taken = self._ready[0][0], 0, 0
        for name, line in self._ready:
            if name != step or (taken and size + len(line) > CHUNK_CHARACTERS):
                break
            size += len(line) + 1
            taken += 1
        return taken
