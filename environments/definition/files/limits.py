"""Size limits (rule 41). The service sets its own from its settings; these are what they are without any."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LOCK_NAME = re.compile(r"(?i)(?:\.lock|(?:^|/)pylock[^/]*\.toml|[-_.]lock\.(?:ya?ml|json|toml))$")
# The first lines of locks that come without their names.
_LOCK_START = re.compile(
    rb"(?m)^(?:version[ \t]*[:=][ \t]*\d+\r?\n(?:environments:|metadata:|revision|requires-python|package:)|@EXPLICIT"
    rb"|lock-version\b|\[\[package\]\]|[ {]*\"(?:_meta|lockVersion)\")|^strategy = \["
)
_START = 4096
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest accepted input: bytes, and the number of files of a build context."""

    definition: int = 1 << 20
    lock: int = 4 << 20
    dockerfile: int = 1 << 20
    lines: int = 100_000
    lock_lines: int = 200_000
    packages: int = 10_000
    context: int = 100 << 20
    context_files: int = 5_000
    sources: int = 4 << 20
    """What is kept of the texts that a definition was read from, where they were several."""

    @property
    def largest(self) -> int:
        """The most bytes that a single text may have in any format."""
        return max(self.definition, self.lock)

    def of(self, name: str, content: bytes = b"") -> tuple[int, int]:
        """Return the most bytes and lines of a file, by its name and its beginning: locks may be larger."""
        is_lock = _LOCK_NAME.search(name) or _LOCK_START.search(content[:_START])
        return (self.lock, self.lock_lines) if is_lock else (self.definition, self.lines)


def size_text(size: int) -> str:
    """A size as people read it: `1 MB`, `1.5 MB`, `300 bytes`."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} bytes"
