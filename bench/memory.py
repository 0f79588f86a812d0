"""The memory of processes and all their descendants."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_EVERY_SECONDS = 0.5  # reading the memory of ten processes takes 8 ms


@dataclass
class Peak:
    """The most that was seen."""

    megabytes: float = 0.0


@contextmanager
def peak_memory(roots: Sequence[int] = (), without: Sequence[int] = ()) -> Iterator[Peak]:
    """Watch the proportional memory (PSS) of these processes, with all below, while the block runs.

    `without` names processes among them that do not count, nor what they started.
    """
    peak, stop = Peak(), threading.Event()
    left_out = {str(pid) for pid in without}

    def watch() -> None:
        while not stop.wait(_EVERY_SECONDS):
            pids = {pid for root in roots or [os.getpid()] for pid in process_tree(str(root), left_out)}
            peak.megabytes = max(peak.megabytes, sum(map(_pss, pids)) / 1000)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def process_tree(pid: str, without: set[str] | frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the ids of a process and of all that came from it."""
    if pid in without:
        return
    yield pid
    for child in _children(Path("/proc", pid, "task")):
        yield from process_tree(child, without)


def _children(tasks: Path) -> list[str]:
    """Return the children of a process's threads; none of one that has just ended."""
    try:
        return [child for task in tasks.iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _pss(pid: str) -> int:
    """Return kilobytes; nothing for a process that has just ended."""
    try:
        for line in Path("/proc", pid, "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0
