"""How much memory this process and all that it started take together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_EVERY_SECONDS = 0.25


@dataclass
class Peak:
    """The most that was seen."""

    megabytes: float = 0.0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watch the proportional memory (PSS) of the process tree while the block runs."""
    peak, stop = Peak(), threading.Event()

    def watch() -> None:
        while not stop.wait(_EVERY_SECONDS):
            peak.megabytes = max(peak.megabytes, sum(_pss(pid) for pid in process_tree("self")) / 1000)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def process_tree(pid: str) -> Iterator[str]:
    """Yield the ids of a process and of all that came from it."""
    yield pid
    for children in Path("/proc", pid, "task").glob("*/children"):
        try:
            found = children.read_text().split()
        except OSError:
            continue
        for child in found:
            yield from process_tree(child)


def _pss(pid: str) -> int:
    """Return kilobytes; nothing for a process that has just ended."""
    try:
        for line in Path("/proc", pid, "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0
