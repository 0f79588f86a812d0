"""Pack wheels that have arrived while others are still being fetched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from builds.imaging.bytecode.interpreters import minor_of
from builds.imaging.files import WheelFile
from builds.imaging.interruptible import completed_batches
from builds.imaging.packing.grouping import BIG
from builds.imaging.packing.packers import Compiler, Processes, compile_batch, compiler_for
from builds.imaging.packing.reach import Batch, Reach
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop

T = TypeVar("T")

# Fewer are packed sooner than processes for it are started.
WORTH_FILES = 8


class Ahead:
    """Packs wheels and compiles what imports reach, in processes of its own, into the cache where the layers find it."""

    def __init__(
        self, compiler: Compiler, requested: Collection[str], folders: Iterable[Path], workshop: Workshop
    ) -> None:
        self._processes = Processes(workshop, compiler, folders)
        self._pool = ThreadPoolExecutor(self._processes.jobs, thread_name_prefix="ahead")
        self._lock = threading.Lock()
        self._begun: list[Future[None]] = []
        self._compiling = 0
        self._closed = False
        self._reach: Reach | None = None
        if compiler.interpreter is not None:
            self._reach = self._processes.reach(requested)
            self._reach.start()

    def arrived(self, wheel: WheelFile) -> None:
        """Pack the wheel when its turn comes, in the form that is needed unless layers are scarce."""
        self._submit(self._pack, wheel)

    def finish(self, reporter: Reporter) -> None:
        """Leave what was not begun, and return when the rest is done."""
        self._end()
        for _ in completed_batches((future for future in self._begun if not future.cancelled()), reporter):
            pass
        for future in self._begun:
            # Errors in a wheel are raised when it is packed for its layer, after all wheels have arrived.
            if not future.cancelled() and not isinstance(future.exception(), ImageError | None):
                future.result()
        if self._reach is not None:
            self._processes.modules.save()

    def close(self) -> None:
        """End everything at once."""
        self._end()
        self._processes.abandon()

    def _end(self) -> None:
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, call: Callable[[T], None], argument: T) -> None:
        with self._lock:
            if not self._closed:
                self._begun.append(self._pool.submit(call, argument))

    def _pack(self, wheel: WheelFile) -> None:
        alone = wheel.size >= BIG
        segment = self._processes.segments.known(wheel, alone=alone)
        segment = segment or self._processes.pack(wheel, alone=alone)
        if self._reach is not None:
            self._reach.add(wheel, segment)
            self._compile_next(self._reach)

    def _compile_next(self, reach: Reach) -> None:
        """Compile behind the wheels that wait to be packed, as many batches at a time as there are cores."""
        while True:
            with self._lock:
                batch = reach.take() if self._compiling < self._processes.jobs else None
                if batch is None:
                    return
                self._compiling += 1
            self._submit(self._compile, batch)

    def _compile(self, batch: Batch) -> None:
        assert self._reach is not None  # noqa: S101
        try:
            compile_batch(batch, self._reach, self._processes)
        finally:
            with self._lock:
                self._compiling -= 1
        self._compile_next(self._reach)


@contextmanager
def packing_ahead(
    python: str,
    requested: Collection[str],
    folders: Sequence[Path],
    workshop: Workshop,
    reporter: Reporter,
    *,
    fewest: int = WORTH_FILES,
) -> Iterator[Ahead | None]:
    """Pack during the block, where there are so many files for that Python or more, and cores for it.

    The files will be in these folders, one in each; processes that pack read nothing else.
    """
    if not python or len(folders) < fewest or workshop.jobs < 2:
        yield None
        return
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    compiler = compiler_for(minor_of(python), workshop, reporter)
    if compiler is None:
        yield None
        return
    ahead = Ahead(compiler, requested, folders, workshop)
    try:
        yield ahead
        ahead.finish(reporter)
    finally:
        ahead.close()
