"""Size limits (rule 41). The service sets its own from its settings; these are what they are without any."""

from __future__ import annotations

from dataclasses import dataclass

_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest accepted input: bytes, and the number of files of a build context."""

    definition: int = 1 << 20
    dockerfile: int = 1 << 20
    lines: int = 100_000
    packages: int = 10_000
    context: int = 100 << 20
    context_files: int = 5_000


def size_text(size: int) -> str:
    """A size as people read it: `1 MB`, `1.5 MB`, `300 bytes`."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} bytes"
