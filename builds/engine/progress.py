"""Progress that a tool prints as line after line, or draws again and again, collapsed to what is worth keeping."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_UP = re.compile(r"\x1b\[\d*[AF]")
_HIDES_CURSOR = "\x1b[?25l"
_SECONDS = re.compile(r"(?<!\s)\s++[\d.]++s\s*+$")
_BYTES = re.compile(r"(?<![\d.])[\d.]++[kMG]?B")
_NUMBERS = re.compile(r"[\d.,:]+|[=#>━█▏▎▍▌▋▊▉╸╺|\-\s]+|[kKMGT]?i?B")
# Progress of fetching a layer, as `docker pull` and as BuildKit write it; a bar with its percentage.
_LAYER = re.compile(
    r"(?:#\d+ (?:[\d.]+ )?)?(?:(?P<pull>[0-9a-f]{12}): (?P<does>Downloading|Extracting|Waiting|Verifying Checksum)\b"
    r"|(?P<blob>sha256:[0-9a-f]{6,64}) [\d.]+[kMG]?B / [\d.]+[kMG]?B(?P<time> [\d.]+s)?(?P<done> done)?\s*$)"
)
_BAR = re.compile(r"(?<!\d)\d++(?:\.\d++)?\s?%")
_DRAWN = re.compile(r"[=#━█▏▎▍▌▋▊▉╸]{3}|\|")


@dataclass
class Progress:
    """A filter of progress lines. Of lines that differ only in their progress, it keeps the first and the last."""

    _seen: set[str] = field(default_factory=set)
    _screen: dict[str, str] = field(default_factory=dict)
    _drawing: bool = False

    def left_of(self, line: str) -> Iterator[str]:
        """Yield the line, unless it only says again how far something is."""
        plain = _STYLE.sub("", line) if "\x1b" in line else line
        over = plain != line and _UP.search(line) is not None
        self._drawing = self._drawing or over or _HIDES_CURSOR in line
        if not plain.strip():
            return
        if over or (self._drawing and plain.startswith((" => ", "[+] "))):
            yield from self._drawn(plain.rstrip())
            return
        key = self._key(plain)
        if key is None or key not in self._seen:
            if key is not None:
                self._seen.add(key)
            yield line

    def _drawn(self, row: str) -> Iterator[str]:
        """Show a row of what is drawn over and over when it says something new."""
        if row.startswith("[+] "):
            return
        key = _SECONDS.sub("", row)
        label = _BYTES.sub("#", key)
        new = label not in self._seen
        self._seen.add(label)
        if new:
            yield row
            self._screen.pop(key, None)
        else:
            self._screen[key] = row

    def end(self) -> Iterator[str]:
        """Yield the last state of the rows that were drawn over and over."""
        yield from self._screen.values()
        self._screen.clear()

    @staticmethod
    def _key(line: str) -> str | None:
        """Return what stays the same while something goes on; None for a line that is no progress."""
        if match := _LAYER.match(line):
            return None if match["done"] else f"{match['pull']} {match['does']} {match['blob']}"
        if "%" in line and "100" not in line and _BAR.search(line) and _DRAWN.search(line):
            return _NUMBERS.sub(" ", line)
        return None
