"""Evict cached files that no build used for a while: they can be fetched and packed again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DAY_SECONDS = 86400.0

_STAMP = ".looked-through"
_SOLVERS = "uv"  # what pip's solver keeps by itself: some megabytes, of which nobody else knows the use


@dataclass(frozen=True)
class Evicted:
    """The number of evicted files, and their size in bytes."""

    files: int
    size: int


def evict(cache: Path, days: float, *, dry_run: bool = True) -> Evicted:
    """Delete the files of a cache that no build has used for some days; 0 days is never.

    Builds may go on meanwhile: what they use, they mark as used (`Workshop.used`).
    """
    since = time.time() - days * DAY_SECONDS
    files = size = 0
    for folder in _folders(cache) if days else ():
        for file in _files(folder, since):
            with suppress(FileNotFoundError):  # another worker was faster
                length = file.stat(follow_symlinks=False).st_size
                if not dry_run:
                    os.unlink(file)
                files, size = files + 1, size + length
        if not dry_run:
            _remove_empty(folder, since)
    return Evicted(files, size)


def evict_when_due(cache: Path, days: float) -> Evicted | None:
    """Do it once a day, whichever worker with this cache is first; None where it is not due."""
    stamp = cache / _STAMP
    if not days or not cache.is_dir():
        return None
    if stamp.exists() and abs(time.time() - stamp.stat().st_mtime) < DAY_SECONDS:
        return None
    stamp.touch()
    return evict(cache, days, dry_run=False)


def _folders(cache: Path) -> Iterator[Path]:
    """Yield all folders of the cache, those within others first."""
    with suppress(FileNotFoundError):
        for kind in sorted(cache.iterdir()):
            if kind.is_dir() and not kind.name.startswith(_SOLVERS):
                for folder, _, _ in os.walk(kind, topdown=False):
                    yield Path(folder)


def _files(folder: Path, since: float) -> Iterator[os.DirEntry[str]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if not entry.is_dir(follow_symlinks=False) and _last_used(entry) < since:
                    yield entry


def _last_used(entry: os.DirEntry[str]) -> float:
    return entry.stat(follow_symlinks=False).st_mtime


def _remove_empty(folder: Path, since: float) -> None:
    # Only what has been empty for as long: a build may just have made the others.
    with suppress(OSError):
        if folder.stat().st_mtime < since:
            folder.rmdir()
