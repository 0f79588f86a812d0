"""Pack wheels in parallel, in confined processes: a wheel is foreign data."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self

from builds.confinement.confine import Confinement
from builds.confinement.forkserver import Child
from builds.imaging.child_process import FORKS
from builds.imaging.files import WheelFile
from builds.imaging.interruptible import completed_batches
from builds.imaging.packing.bytecode import interpreter_for
from builds.imaging.packing.segment import Packer, Segment
from builds.imaging.reporting import Cancelled, ImageError, Reporter
from builds.imaging.workshop import Workshop

_ENDING_SECONDS = 1.0
_ROOT = Path(__file__).parents[3]

Work = tuple[WheelFile, bool]
"""A wheel, and whether it gets a layer of its own."""


def pack_all(
    work: Sequence[Work], python: tuple[int, int], workshop: Workshop, reporter: Reporter
) -> dict[str, Segment]:
    """Return the segment of every wheel by its name; what was packed before is found, the rest packed now."""
    interpreter = _interpreter(python, workshop, reporter)
    finder = Packer(workshop, python, None, compiled=interpreter is not None)
    total = sum(wheel.size for wheel, _ in work)
    packed: dict[str, Segment] = {}
    missing: list[Work] = []
    for wheel, alone in work:
        known = finder.known(wheel, alone=alone)
        if known is None:
            missing.append((wheel, alone))
        else:
            packed[wheel.name] = known
    done = total - sum(wheel.size for wheel, _ in missing)
    reporter.progress(done, total, "bytes")
    if not missing:
        return packed
    # The largest first, so that no core waits for one at the end.
    missing.sort(key=lambda item: -item[0].size)
    folders = {wheel.path.parent.absolute() for wheel, _ in missing}
    with Processes(workshop, python, interpreter, folders) as processes:
        for wheel, segment in _each(missing, processes, workshop.jobs, reporter):
            packed[wheel.name] = segment
            done += wheel.size
            reporter.progress(done, total, "bytes")
    return packed


def _interpreter(python: tuple[int, int], workshop: Workshop, reporter: Reporter) -> str | None:
    if not workshop.bytecode:
        return None
    result = interpreter_for(python)
    if result is None:
        version = f"{python[0]}.{python[1]}"
        reporter.line(f"No bytecode, as no Python {version} is here to make it: imports will take longer")
    return result


def _each(
    missing: Sequence[Work], processes: Processes, jobs: int, reporter: Reporter
) -> Iterator[tuple[WheelFile, Segment]]:
    """Yield wheel and segment as each is done. A cancelled build ends all that is under way."""
    with ThreadPoolExecutor(jobs, thread_name_prefix="pack") as pool:
        futures: dict[Future[Segment], WheelFile] = {
            pool.submit(processes.pack, wheel, alone=alone): wheel for wheel, alone in missing
        }
        try:
            for completed in completed_batches(futures, reporter):
                for future in completed:
                    yield futures.pop(future), future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.abandon()
            raise


class Processes:
    """Processes that pack, one for each thread that asks; `wheels` are folders of wheels outside of the cache. Leaving it ends them."""

    def __init__(
        self,
        workshop: Workshop,
        python: tuple[int, int],
        interpreter: str | None,
        wheels: Iterable[Path] = (),
    ) -> None:
        self._workshop = workshop
        written = (workshop.store.path.absolute(), workshop.cache.absolute())
        # A compiler for each core, and a few that are just being replaced.
        count = workshop.jobs + 4 if interpreter is not None else 1
        self._confinement = Confinement(reads=tuple(wheels), writes=written, processes=count)
        self._finder = Packer(workshop, python, None, compiled=interpreter is not None)
        self._settings = {
            "store": str(workshop.store.path.absolute()),
            "cache": str(workshop.cache.absolute()),
            "python": python,
            "interpreter": interpreter,
            "jobs": workshop.jobs,
        }
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._children: list[Child] = []
        self._abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Their input ends, and with it they do.
        for child in self._children:
            with suppress(BrokenPipeError):
                child.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_ENDING_SECONDS)
        self.abandon()

    def pack(self, wheel: WheelFile, *, alone: bool) -> Segment:
        """Have a process pack the wheel, and return its segment."""
        child: Child = getattr(self._mine, "child", None) or self._start()
        answer = self._ask(child, wheel, alone=alone)
        if answer:
            raise ImageError(answer["code"], answer["message"], answer["help"], fault=answer["fault"])  # type: ignore[arg-type]
        segment = self._finder.known(wheel, alone=alone)
        if segment is None:
            raise _vanished(wheel)
        self._workshop.reserve_disk(segment.stored)  # the process itself counts for nobody
        return segment

    def _ask(self, child: Child, wheel: WheelFile, *, alone: bool) -> dict[str, str]:
        try:
            print(json.dumps({"wheel": wheel.as_json(), "alone": alone}), file=child.stdin, flush=True)
            answer: dict[str, str] = json.loads(child.stdout.readline())
        except (BrokenPipeError, ValueError) as error:
            if self._abandoned:
                raise Cancelled from error
            raise _vanished(wheel) from error
        return answer

    def _start(self) -> Child:
        with self._lock:
            if self._abandoned:
                raise Cancelled
            child = FORKS.start("builds.imaging.packing.pack_worker", self._confinement)
            self._children.append(child)
        print(json.dumps(self._settings), file=child.stdin, flush=True)
        self._mine.child = child
        return child

    def abandon(self) -> None:
        """End the processes: asked first, so that they clean up, then killed."""
        with self._lock:
            self._abandoned = True
            children, self._children = self._children, []
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(BrokenPipeError):
                    pipe.close()


def _vanished(wheel: WheelFile) -> ImageError:
    return ImageError(
        "packing-failed",
        f"The process that packed {wheel.name} {wheel.version} ended before it was done.",
        "Build again. If it happens again, the machine may be short of memory.",
        fault="studio",
    )
