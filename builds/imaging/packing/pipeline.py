"""Pack wheels that have arrived while others are still being fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from builds.imaging.bytecode.providers import find_interpreter
from builds.imaging.files import WheelFile
from builds.imaging.interruptible import completed_batches
from builds.imaging.packing.grouping import BIG
from builds.imaging.packing.packers import Processes
from builds.imaging.packing.segment import Segment
from builds.imaging.packing.segments import Segments
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

# Fewer are packed sooner than processes for it are started.
WORTH_FILES = 8


class Ahead:
    """Packs wheels in processes of its own, into the cache where the layers find them."""

    def __init__(
        self, python: tuple[int, int], folders: Iterable[Path], workshop: Workshop, reporter: Reporter
    ) -> None:
        interpreter = find_interpreter(python, workshop, reporter)
        self._finder = Segments(workshop, python, interpreter)
        self._processes = Processes(workshop, python, interpreter, folders)
        self._pool = ThreadPoolExecutor(workshop.jobs, thread_name_prefix="ahead")
        self._begun: list[Future[Segment]] = []

    def arrived(self, wheel: WheelFile) -> None:
        """Pack the wheel when its turn comes, in the form that is needed unless layers are scarce."""
        alone = wheel.size >= BIG
        if self._finder.known(wheel, alone=alone) is None:
            self._begun.append(self._pool.submit(self._processes.pack, wheel, alone=alone))

    def finish(self, reporter: Reporter) -> None:
        """Leave what was not begun, and return when the rest is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for _ in completed_batches((future for future in self._begun if not future.cancelled()), reporter):
            pass
        for future in self._begun:
            # Errors in a wheel are raised when it is packed for its layer, after all wheels have arrived.
            if not future.cancelled() and not isinstance(future.exception(), ImageError | None):
                future.result()

    def close(self) -> None:
        """End everything at once."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._processes.abandon()


@contextmanager
def packing_ahead(
    python: str, folders: Sequence[Path], workshop: Workshop, reporter: Reporter
) -> Iterator[Ahead | None]:
    """Pack during the block, where so many files for that Python are worth it and there are cores for it.

    The files will be in these folders, one in each; processes that pack read nothing else.
    """
    if not python or len(folders) < WORTH_FILES or workshop.jobs < 2:
        yield None
        return
    major, minor, *_ = (int(part) for part in python.split("."))
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    ahead = Ahead((major, minor), folders, workshop, reporter)
    try:
        yield ahead
        ahead.finish(reporter)
    finally:
        ahead.close()
