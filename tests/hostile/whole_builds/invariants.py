"""Invariants after every hostile input: nothing outside has changed, no secret is anywhere, memory and heartbeats are as usual."""

from __future__ import annotations

import gzip
import os
import threading
import time
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.db import connection

from builds.logs import read_log
from builds.models import Build, BuildState
from tests.services.processes import descendants

GIGABYTE = 1024**3
_LOOK_SECONDS = 0.05
_PEAK_FROM_NOW = "5"  # written to /proc/PID/clear_refs

State = tuple[int, int, int, int]


def files_of(folders: Iterable[Path]) -> dict[Path, State]:
    """Return every file below these folders with its inode, mode, size and time; what Python compiles is left out."""
    states: dict[Path, State] = {}
    for folder in folders:
        for top, names, files in os.walk(folder):
            names[:] = [name for name in names if name != "__pycache__"]
            for name in (*names, *files):
                status = Path(top, name).lstat()
                changed = 0 if name in names else status.st_mtime_ns
                states[Path(top, name)] = (status.st_ino, status.st_mode, status.st_size, changed)
    return states


@contextmanager
def unchanged(*folders: Path) -> Iterator[None]:
    """Assert that the block adds, changes and removes no file below these folders."""
    before = files_of(folders)
    yield
    after = files_of(folders)
    differences = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    assert not differences, f"changed: {sorted(map(str, differences))[:10]}"


def _memory(pid: int, field: str) -> int:
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return 1024 * int(line.split()[1])
    return 0


@contextmanager
def modest(most: int = GIGABYTE, *, tree: bool = False) -> Iterator[None]:
    """Assert that this process needs no more memory during the block than before, but for `most` bytes.

    With `tree`, what it starts counts too: looked at many times a second, as packages of a build do not end at once.
    """
    idle = _memory(os.getpid(), "VmRSS")
    Path("/proc/self/clear_refs").write_text(_PEAK_FROM_NOW)
    over, peaks = threading.Event(), [0]

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            # A process that was forked shares most of its memory with its parent: what is its own is anonymous.
            peaks.append(sum(_memory(child.pid, "RssAnon") for child in descendants(os.getpid())))

    looking = threading.Thread(target=look, name="memory")
    already = sum(_memory(child.pid, "RssAnon") for child in descendants(os.getpid())) if tree else 0
    if tree:
        looking.start()
    try:
        yield
    finally:
        over.set()
        if tree:
            looking.join()
    used = _memory(os.getpid(), "VmHWM") - idle + max(0, max(peaks) - already)
    assert used <= most, f"{used / 1e6:,.0f} MB of memory above idle"


@contextmanager
def punctual(build: Build, late: float | None = None) -> Iterator[None]:
    """Assert that a running build's heartbeat keeps moving during the block; `late` is half a lease."""
    limit = settings.LOST_AFTER_SECONDS / 2 if late is None else late
    looked: list[bool] = []
    over, gaps, began = threading.Event(), [0.0], time.monotonic()

    def look() -> None:
        last, moved = None, time.monotonic()
        rows = Build.objects.filter(pk=build.pk).values_list("state", "heartbeat_at")
        try:
            while not over.wait(_LOOK_SECONDS):
                state, beat = rows.get()
                if state != BuildState.RUNNING or beat != last:
                    moved = time.monotonic()
                last = beat
                gaps.append(time.monotonic() - moved)
            looked.append(True)
        finally:
            connection.close()

    looking = threading.Thread(target=look, name="heartbeat of a build")
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
    # A block shorter than this may be over before anybody looks.
    assert looked or time.monotonic() - began <= limit, "nobody looked at the heartbeat"
    assert max(gaps) <= limit, f"no heartbeat for {max(gaps):.1f} s"


def assert_no_secret(secrets: Collection[bytes], build: Build | None, files: Iterable[Path] = ()) -> None:
    """Assert that none of these is in a build's row, log or outcome, or in one of these files, packed or not."""
    texts = [_unpacked(file) for file in files if file.is_file()]
    if build is not None:
        build.refresh_from_db()
        texts += [repr(vars(build)).encode(), read_log(build.pk, limit=1_000_000).text.encode()]
    for secret in secrets:
        assert not any(secret in text for text in texts), f"{secret!r} got out"


def _unpacked(file: Path) -> bytes:
    content = file.read_bytes()
    with suppress(OSError, EOFError, zlib.error):
        return content + gzip.decompress(content)
    return content
