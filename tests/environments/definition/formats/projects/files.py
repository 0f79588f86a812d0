"""Small projects for tests: their files in a folder, and what is read of them."""

from __future__ import annotations

from pathlib import Path

from environments.definition import Reading, read_path
from environments.definition.model import Selection

HASH = "a" * 64
FILES = f'files = [{{file = "x.tar.gz", hash = "sha256:{HASH}"}}]\n'


def reading_of(
    folder: Path,
    files: dict[str, str],
    name: str,
    *,
    extras: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
) -> Reading:
    """Read one file of a folder with the others beside it."""
    for path, text in files.items():
        (folder / path).write_text(text, encoding="utf-8")
    return read_path(folder / name, selection=Selection(extras=extras, groups=groups))


def lines(reading: Reading) -> list[str]:
    """Return the lines for pip of what was read, without hashes; fails for what was refused."""
    assert reading.definition is not None, reading.errors
    return [line.partition(" --hash")[0] for line in reading.definition.python.pip]


def faults(reading: Reading) -> list[tuple[str, int | None]]:
    """Return codes and lines of errors and warnings, but for those of left-out folders and of repositories."""
    return [
        (finding.code, finding.line)
        for finding in reading.findings
        if finding.severity != "note" and finding.code not in ("not-buildable", "project-left-out")
    ]
