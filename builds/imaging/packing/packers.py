"""Pack wheels in parallel, in confined processes: a wheel is foreign data."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from builds.confinement.confine import Confinement
from builds.confinement.forkserver import Child
from builds.imaging.bytecode.interpreters import Interpreter
from builds.imaging.bytecode.providers import connected, find_interpreter
from builds.imaging.child_process import FORKS
from builds.imaging.files import WheelFile
from builds.imaging.interruptible import completed_batches
from builds.imaging.packing.segment import Packed, Segment
from builds.imaging.packing.segments import Segments
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
    interpreter = find_interpreter(python, workshop, reporter)
    finder = Segments(workshop, python, interpreter)
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
    """Processes that pack, one for each thread that asks. Leaving it ends them.

    Each reads the folders of the wheels, and writes one file after the other into a folder of its own, from which they
    are taken over.
    """

    def __init__(
        self,
        workshop: Workshop,
        python: tuple[int, int],
        interpreter: Interpreter | None,
        wheels: Iterable[Path],
    ) -> None:
        self._workshop = workshop
        self._interpreter = interpreter
        # A compiler for each core, and a few that are just being replaced.
        count = workshop.jobs + 4 if interpreter is not None else 1
        reads = (*wheels, *(interpreter.reads if interpreter is not None else ()))
        self._confinement = Confinement(reads=reads, processes=count)
        self._segments = Segments(workshop, python, interpreter)
        self._settings = {
            "python": python,
            "interpreter": interpreter and interpreter.as_json(),
            "jobs": workshop.jobs,
        }
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._children: dict[Path, Child] = {}
        self._abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Their input ends, and with it they do.
        for child in self._children.values():
            with suppress(BrokenPipeError):
                child.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_ENDING_SECONDS)
        self.abandon()

    def pack(self, wheel: WheelFile, *, alone: bool) -> Segment:
        """Have a process pack the wheel, and return its segment."""
        folder, child = getattr(self._mine, "child", None) or self._start()
        out = folder / secrets.token_hex(8)
        answer = self._ask(child, {"wheel": wheel.as_json(), "alone": alone, "out": str(out)}, wheel)
        if "code" in answer:
            raise ImageError(answer["code"], answer["message"], answer["help"], fault=answer["fault"])
        try:
            return self._segments.keep(wheel, Packed.from_json(answer), out, alone=alone)
        except ValueError as error:
            raise _vanished(wheel) from error

    def _ask(self, child: Child, question: Mapping[str, Any], wheel: WheelFile) -> dict[str, Any]:
        try:
            print(json.dumps(question), file=child.stdin, flush=True)
            answer: dict[str, Any] = json.loads(child.stdout.readline())
        except (BrokenPipeError, ValueError) as error:
            if self._abandoned:
                raise Cancelled from error
            raise _vanished(wheel) from error
        return answer

    def _start(self) -> tuple[Path, Child]:
        with self._lock:
            if self._abandoned:
                raise Cancelled
            folder = self._workshop.store.staging()
            confinement = replace(self._confinement, writes=(folder,))
            with connected(self._interpreter, self._workshop) as descriptor:
                child = FORKS.start("builds.imaging.packing.pack_worker", confinement, descriptor=descriptor)
            self._children[folder] = child
        print(json.dumps(self._settings), file=child.stdin, flush=True)
        self._mine.child = folder, child
        return folder, child

    def abandon(self) -> None:
        """End the processes: asked first, so that they clean up, then killed."""
        with self._lock:
            self._abandoned = True
            children, self._children = self._children, {}
        for child in children.values():
            child.terminate()
        for folder, child in children.items():
            try:
                child.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(BrokenPipeError):
                    pipe.close()
            shutil.rmtree(folder, ignore_errors=True)


def _vanished(wheel: WheelFile) -> ImageError:
    return ImageError(
        "packing-failed",
        f"The process that packed {wheel.name} {wheel.version} ended before it was done.",
        "Build again. If it happens again, the machine may be short of memory.",
        fault="studio",
    )
