"""Packing what has arrived while the rest is still on its way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from builds.images.bytecode import interpreter_for
from builds.images.grouping import BIG
from builds.images.packers import Processes
from builds.images.report import ImageError, Reporter
from builds.images.segment import Packer, Segment, WheelFile
from builds.images.workshop import Workshop

# Fewer are packed sooner than processes for it are started.
WORTH_FILES = 8
_GLANCE_SECONDS = 0.2


class Ahead:
    """Packs wheels in processes of its own, into the cache where the layers find them."""

    def __init__(self, python: tuple[int, int], workshop: Workshop) -> None:
        interpreter = interpreter_for(python) if workshop.bytecode else None
        self._finder = Packer(workshop, python, None, compiled=interpreter is not None)
        self._processes = Processes(workshop, python, interpreter)
        self._pool = ThreadPoolExecutor(workshop.jobs, thread_name_prefix="ahead")
        self._begun: list[Future[Segment]] = []

    def arrived(self, wheel: WheelFile) -> None:
        """Pack the wheel when its turn comes, as it will be asked for unless layers are short."""
        alone = wheel.size >= BIG
        if self._finder.known(wheel, alone=alone) is None:
            self._begun.append(self._pool.submit(self._processes.pack, wheel, alone=alone))

    def finish(self, reporter: Reporter) -> None:
        """Leave what was not begun, and return when the rest is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        waiting = {future for future in self._begun if not future.cancelled()}
        while waiting:
            _, waiting = wait(waiting, _GLANCE_SECONDS)
            reporter.check()
        for future in self._begun:
            # What is wrong with a wheel is told when it is packed for its layer, after all have arrived.
            if not future.cancelled() and not isinstance(future.exception(), ImageError | None):
                future.result()

    def close(self) -> None:
        """End everything at once."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._processes.abandon()


@contextmanager
def packing_ahead(python: str, files: int, workshop: Workshop, reporter: Reporter) -> Iterator[Ahead | None]:
    """Pack during the block, where so many files for that Python are worth it and there are cores for it."""
    if not python or files < WORTH_FILES or workshop.jobs < 2:
        yield None
        return
    major, minor, *_ = (int(part) for part in python.split("."))
    ahead = Ahead((major, minor), workshop)
    try:
        yield ahead
        ahead.finish(reporter)
    finally:
        ahead.close()
