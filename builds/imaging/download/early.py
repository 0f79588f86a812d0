"""Fetch, pack and compile wheels that are certainly needed, while others are still to be chosen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from builds.imaging.download.fetch import fetch_early
from builds.imaging.interruptible import completed_batches
from builds.imaging.lock import LockedPackage
from builds.imaging.reporting import Cancelled, ImageError, Reporter
from builds.imaging.workshop import Workshop

Find = Callable[[Reporter], Sequence[LockedPackage]]
"""Returns the wheels to begin with. It runs in a thread of its own, with a reporter of its own."""


class _Apart:
    """The reporter of work in another thread: it keeps the lines, and ends the work once nobody wants it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.unwanted = threading.Event()

    def line(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Drop the progress: it is another step's."""

    def check(self) -> None:
        if self.unwanted.is_set():
            raise Cancelled


@contextmanager
def fetching_early(find: Find, python: str, workshop: Workshop, reporter: Reporter) -> Iterator[None]:
    """Fetch the wheels during the block, and pack and compile them for a Python, into the cache.

    What is under way when the block ends is completed, since it is needed; it is ended if the block raises. Errors
    are left to the fetch of all files, which meets them again.
    """
    apart, chosen = _Apart(), threading.Event()

    def work() -> None:
        with suppress(ImageError):
            fetch_early(find(apart), workshop, apart, python, chosen)

    with ThreadPoolExecutor(1, thread_name_prefix="fetch-early") as pool:
        working = pool.submit(work)
        try:
            yield
            chosen.set()
            for _ in completed_batches([working], reporter):
                pass
        except BaseException:
            apart.unwanted.set()
            raise
    for line in apart.lines:
        reporter.line(line)
    working.result()
