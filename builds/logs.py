"""A build's log: cleaned in one place, written in chunks of whole lines, read from any line."""

import re
import threading
import uuid
from dataclasses import dataclass

from builds.claims import Claim
from builds.models import LogChunk

CHUNK_CHARACTERS = 64 * 1024
LINE_CHARACTERS = 8 * 1024
LOG_LINES = 200_000

# user:password@ in an address, and what follows words that announce a secret (rule 44).
_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)")
_TOKEN_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@:]{12,}(?=@)")


def clean(text: str) -> str:
    """Return one line fit to be kept: no secret, no NUL, no line break, of bounded length."""
    text = text.replace("\0", "").rstrip("\n")
    # What overwrote itself on a terminal is kept as its last state.
    text = text.rstrip("\r").rsplit("\r", 1)[-1]
    if len(text) > LINE_CHARACTERS:
        text = f"{text[:LINE_CHARACTERS]} … ({len(text) - LINE_CHARACTERS:,} characters cut)"
    return _TOKEN_IN_ADDRESS.sub("***", _IN_ADDRESS.sub("***", text))


class LogWriter:
    """Lines on their way to the log. Any thread adds; `flush` writes them as one chunk for each step."""

    def __init__(self, claim: Claim, lines_before: int) -> None:
        self.claim = claim
        self.step = ""
        self.lines = lines_before  # how many lines the log has, those on their way included
        self._written = lines_before
        self._waiting: list[tuple[str, str]] = []
        self._size = 0
        self._guard = threading.Lock()
        self._flushing = threading.Lock()
        self._capped = False

    def add(self, text: str) -> None:
        """Add text; each of its lines becomes a line of the log."""
        for line in text.split("\n"):
            if self._capped:
                return
            if self.lines >= LOG_LINES:
                self._capped = True
                line = f"The log is full: what follows line {LOG_LINES:,} is not kept."
            with self._guard:
                kept = clean(line)
                self._waiting.append((self.step, kept))
                self._size += len(kept) + 1
                self.lines += 1

    @property
    def empty(self) -> bool:
        """Whether everything has been written."""
        return not self._waiting

    def flush(self) -> None:
        """Write what waits, in order."""
        with self._flushing:
            with self._guard:
                waiting, self._waiting, self._size = self._waiting, [], 0
            while waiting:
                step, size, taken = waiting[0][0], 0, 0
                for name, line in waiting:
                    if name != step or (taken and size + len(line) > CHUNK_CHARACTERS):
                        break
                    size += len(line) + 1
                    taken += 1
                lines = [line for _, line in waiting[:taken]]
                try:
                    self.claim.append("\n".join(lines) + "\n", taken, step, after=self._written)
                except BaseException:
                    with self._guard:  # they wait for the next flush, before those that came meanwhile
                        self._waiting[:0] = waiting
                        self._size = sum(len(line) + 1 for _, line in self._waiting)
                    raise
                self._written += taken
                del waiting[:taken]


@dataclass(frozen=True)
class LogPage:
    """A run of the log, and the cursor from which to read on."""

    chunks: tuple[LogChunk, ...]
    cursor: int

    @property
    def text(self) -> str:
        """The lines as they are."""
        return "".join(chunk.text for chunk in self.chunks)


def read_log(build_id: uuid.UUID, after: int = 0, limit: int = 200) -> LogPage:
    """Return the chunks behind the cursor, oldest first."""
    chunks = tuple(LogChunk.objects.filter(build_id=build_id, seq__gt=after).order_by("seq")[:limit])
    return LogPage(chunks, chunks[-1].seq if chunks else after)
