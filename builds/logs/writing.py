"""Write a build's log: lines are cleaned, masked, numbered, and written as chunks of whole lines."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from builds.logs.secrets import Secrets
from builds.queue.claims import Claim, LogLines

CHUNK_CHARACTERS = 64 * 1024
LINE_CHARACTERS = 8 * 1024
LOG_LINES = 200_000
LOG_CHARACTERS = 64 * 1024 * 1024
LAST_LINES = 200
"""How many of the last lines a full log still gets at its end: they show why a build failed."""

_WITHHOLD_SECONDS = 1.0
_RECENT_LINES = 2_000
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

LineCallback = Callable[[int, str, str], None]
"""Called with each written line: its number, its step, its text."""


def clean(text: str, secrets: Secrets | None = None) -> str:
    """Return a line that can be stored: no secret, no NUL, no line break, of bounded length."""
    return _truncated((secrets or Secrets()).masked(_normalised(text)))


def _normalised(text: str) -> str:
    # A line that overwrote itself on the terminal is kept in its last state.
    text = text.rstrip("\r\n").rsplit("\r", 1)[-1]
    return _UNSTORABLE.sub("\ufffd", text)


def _truncated(line: str) -> str:
    if len(line) <= LINE_CHARACTERS:
        return line
    return f"{line[:LINE_CHARACTERS]} … ({len(line) - LINE_CHARACTERS:,} characters cut)"


class LogWriter:
    """A build's log as it is written: any thread adds lines, `flush` writes them in chunks of one step each."""

    def __init__(
        self,
        claim: Claim,
        lines_before: int,
        *,
        secrets: Iterable[str] = (),
        on_line: LineCallback | None = None,
    ) -> None:
        self.claim = claim
        self.step = ""
        self.lines = lines_before  # including those not yet written
        self.last: deque[tuple[int, str]] = deque(maxlen=_RECENT_LINES)  # the newest written lines
        self._hidden = tuple(secrets)
        self._secrets = Secrets(self._hidden)
        self._on_line = on_line
        self._written = lines_before
        self._waiting: list[tuple[str, str]] = []  # step and line, not yet masked
        self._ready: list[tuple[str, str]] = []  # step and line, masked
        self._withheld = (-1, 0.0)
        self._characters = 0
        self._left_out = 0
        self._tail: deque[tuple[str, str]] = deque(maxlen=LAST_LINES)
        self._ending = False
        self._lock = threading.Lock()
        self._flushing = threading.Lock()

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these secrets too from now on, in every form in which they may be printed."""
        with self._lock:
            self._hidden += tuple(secrets)
            self._secrets = Secrets(self._hidden)

    def masked(self, text: str) -> str:
        """Return text with the build's secrets masked, for use outside the log."""
        return self._secrets.masked(text)

    def closing(self, step: str, text: str) -> LogLines:
        """Return text as lines of the log, to be written by the transaction that ends the build."""
        lines = self.masked("\n".join(_normalised(line) for line in text.split("\n"))).split("\n")
        return LogLines(step, tuple(_truncated(line) for line in lines))

    def add(self, text: str) -> None:
        """Add text; each of its lines becomes a line of the log."""
        with self._lock:
            for line in text.split("\n"):
                self._add(_normalised(line))

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
        self._tail.append((self.step, line))

    def _push(self, step: str, line: str) -> None:
        self._waiting.append((step, line))
        self._characters += min(len(line), LINE_CHARACTERS) + 1
        self.lines += 1

    def flush_tail(self) -> None:
        """Add the last lines that a full log left out; lines added from now on are kept."""
        with self._lock:
            if self._left_out > len(self._tail):
                left_out = self._left_out - len(self._tail)
                self._push(self.step, f"… {left_out:,} lines are not kept …")
            for step, line in self._tail:
                self._push(step, line)
            self._tail.clear()
            self._left_out = 0
            self._ending = True

    @property
    def empty(self) -> bool:
        """Whether everything has been written."""
        return not (self._waiting or self._ready)

    def flush(self, *, everything: bool = False) -> None:
        """Write pending lines in order.

        A line that may end in the first half of a secret is withheld a moment for the next line, unless
        `everything` must be written.
        """
        with self._flushing:
            with self._lock:
                self._make_ready(everything)
            while self._ready:
                step, count = self._ready[0][0], self._next_chunk_size()
                lines = [line for _, line in self._ready[:count]]
                # If this fails, the lines remain for the next flush.
                self.claim.append("\n".join(lines) + "\n", count, step, after=self._written)
                del self._ready[:count]
                for line in lines:
                    self._written += 1
                    self.last.append((self._written, line))
                    if self._on_line is not None:
                        self._on_line(self._written, step, line)

    def _make_ready(self, everything: bool) -> None:
        text = self._secrets.masked("\n".join(line for _, line in self._waiting))
        lines = text.split("\n") if self._waiting else []
        withheld = 0 if everything else self._lines_to_withhold(text, len(lines))
        free = len(lines) - withheld
        steps = [step for step, _ in self._waiting]
        self._ready += [
            (step, _truncated(line)) for step, line in zip(steps[:free], lines[:free], strict=True)
        ]
        self._waiting = self._waiting[free:]

    def _lines_to_withhold(self, text: str, count: int) -> int:
        withheld = self._secrets.lines_to_withhold(text)
        first = self.lines - withheld
        if not withheld or not count:
            return 0
        if self._withheld[0] != first:
            self._withheld = (first, time.monotonic())
        elif time.monotonic() - self._withheld[1] > _WITHHOLD_SECONDS:
            return 0
        return min(withheld, count)

    def _next_chunk_size(self) -> int:
        """Return how many ready lines form the next chunk: of one step and of bounded size."""
        step, size, count = self._ready[0][0], 0, 0
        for name, line in self._ready:
            if name != step or (count and size + len(line) > CHUNK_CHARACTERS):
                break
            size += len(line) + 1
            count += 1
        return count
