"""Pack wheels in parallel, in confined processes: a wheel is foreign data."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from builds.confinement.confine import Confinement
from builds.confinement.forkserver import Child
from builds.imaging.bytecode.interpreters import Interpreter, Minor
from builds.imaging.bytecode.providers import connected, find_interpreter
from builds.imaging.child_process import FORKS
from builds.imaging.files import WheelFile
from builds.imaging.interruptible import completed_batches, wait_for_first
from builds.imaging.packing.modules import Module, Modules
from builds.imaging.packing.reach import Batch, Reach
from builds.imaging.packing.segment import Packed, Segment
from builds.imaging.packing.segments import Segments
from builds.imaging.packing.wheel import site_of
from builds.imaging.reporting import Cancelled, ImageError, Reporter
from builds.imaging.workshop import Workshop

_ENDING_SECONDS = 1.0
_ROOT = Path(__file__).parents[3]

Work = tuple[WheelFile, bool]
"""A wheel, and whether it gets a layer of its own."""


class Compiler(NamedTuple):
    """The Python that packages are for, and the interpreter that compiles for it, if there is one."""

    python: Minor
    interpreter: Interpreter | None


def compiler_for(python: Minor | None, workshop: Workshop, reporter: Reporter) -> Compiler | None:
    """Return what compiles for a Python; None without one."""
    return Compiler(python, find_interpreter(python, workshop, reporter)) if python is not None else None


def pack_all(work: Sequence[Work], processes: Processes, reporter: Reporter) -> dict[str, Segment]:
    """Return the segment of every wheel by its name; what was packed before is found, the rest packed now."""
    total = sum(wheel.size for wheel, _ in work)
    packed: dict[str, Segment] = {}
    missing: list[Work] = []
    for wheel, alone in work:
        known = processes.segments.known(wheel, alone=alone)
        if known is None:
            missing.append((wheel, alone))
        else:
            packed[wheel.name] = known
    done = total - sum(wheel.size for wheel, _ in missing)
    reporter.progress(done, total, "bytes")
    # The largest first, so that no core waits for one at the end.
    missing.sort(key=lambda item: -item[0].size)
    for wheel, segment in _each(missing, processes, reporter):
        packed[wheel.name] = segment
        done += wheel.size
        reporter.progress(done, total, "bytes")
    return packed


def compiled_modules(
    packages: Sequence[tuple[WheelFile, Segment]],
    requested: Collection[str],
    processes: Processes,
    reporter: Reporter,
) -> dict[str, dict[str, Module]]:
    """Return the modules that imports reach from the requested packages, by package and path; those missing are compiled.

    Of two packages with the same module, the module of the last is reached.
    """
    modules, began = processes.modules, time.monotonic()
    reach = processes.reach(requested)
    for wheel, segment in packages:
        reach.add(wheel, segment)
    reach.start()
    try:
        made = _compile_reached(reach, processes, reporter)
    finally:
        modules.save()
    reached = reach.reached()
    total = sum(len(own) for own in reached.values())
    reporter.line(
        f"Bytecode of {total:,} modules: {total - made:,} compiled before, {made:,} now"
        f" in {time.monotonic() - began:.1f} s by CPython {modules.interpreter.version}"
    )
    return reached


def _compile_reached(reach: Reach, processes: Processes, reporter: Reporter) -> int:
    """Compile the reached modules that are not compiled yet; return how many there were."""
    count = 0
    with ThreadPoolExecutor(processes.jobs, thread_name_prefix="compile") as pool:
        under_way: set[Future[int]] = set()
        try:
            while True:
                while len(under_way) < processes.jobs and (batch := reach.take()) is not None:
                    under_way.add(pool.submit(compile_batch, batch, reach, processes))
                if not under_way:
                    return count
                completed, under_way = wait_for_first(under_way, reporter)
                count += sum(future.result() for future in completed)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.abandon()
            raise


def compile_batch(batch: Batch, reach: Reach, processes: Processes) -> int:
    """Compile a batch, and let it be followed; return how many modules it has."""
    wheel, paths = batch
    reach.done(wheel, processes.compile(wheel, paths))
    return len(paths)


def _each(
    missing: Sequence[Work], processes: Processes, reporter: Reporter
) -> Iterator[tuple[WheelFile, Segment]]:
    """Yield wheel and segment as each is done. A cancelled build ends all that is under way."""
    with ThreadPoolExecutor(processes.jobs, thread_name_prefix="pack") as pool:
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
    """Processes that pack and compile, one for each thread that asks, started when it asks. Leaving it ends them.

    Each reads the folders of the wheels, and writes one file after the other into a folder of its own, from which they
    are taken over.
    """

    def __init__(self, workshop: Workshop, compiler: Compiler, wheels: Iterable[Path]) -> None:
        python, interpreter = compiler
        self._workshop = workshop
        self._interpreter = interpreter
        # Each waits for its process, and for this process to take over what that wrote: another keeps all cores busy.
        self.jobs = workshop.jobs + 1
        self.segments = Segments(workshop, python)
        self._modules = Modules(workshop, interpreter) if interpreter is not None else None
        # A compiler for each core, and a few that are just being replaced.
        count = workshop.jobs + 4 if interpreter is not None else 1
        reads = (*wheels, *(interpreter.reads if interpreter is not None else ()))
        self._confinement = Confinement(reads=reads, processes=count)
        self._settings = {
            "python": python,
            "interpreter": interpreter and interpreter.as_json(),
            "jobs": workshop.jobs,
            "compression": workshop.compression,
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

    @property
    def modules(self) -> Modules:
        """The modules that these processes compile; there must be an interpreter for that."""
        assert self._modules is not None  # noqa: S101
        return self._modules

    def reach(self, requested: Collection[str]) -> Reach:
        """Return what follows imports from these packages."""
        everything = self._workshop.bytecode == "all"
        return Reach(requested, site_of(self.segments.python), self.modules.known, everything=everything)

    def pack(self, wheel: WheelFile, *, alone: bool) -> Segment:
        """Have a process pack the wheel, and return its segment."""
        out, answer = self._ask(wheel, {"do": "pack", "alone": alone})
        try:
            return self.segments.keep(wheel, Packed.from_json(answer), out, alone=alone)
        except ValueError as error:
            raise _vanished(wheel) from error

    def compile(self, wheel: WheelFile, paths: list[str]) -> dict[str, Module]:
        """Have a process compile modules of the wheel, and return them by their paths."""
        out, answer = self._ask(wheel, {"do": "compile", "paths": paths})
        try:
            match answer:
                case {"modules": list(made)}:
                    return self.modules.keep(wheel, paths, made, out)
            raise ValueError("This describes no compiled modules.")
        except ValueError as error:
            raise _vanished(wheel) from error

    def _ask(self, wheel: WheelFile, question: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
        """Return the file that a process of this thread wrote, and what it says of it."""
        folder, child = getattr(self._mine, "child", None) or self._start()
        out = folder / secrets.token_hex(8)
        answer = self._answer(child, {**question, "wheel": wheel.as_json(), "out": str(out)}, wheel)
        if "code" in answer:
            raise ImageError(answer["code"], answer["message"], answer["help"], fault=answer["fault"])
        return out, answer

    def _answer(self, child: Child, question: Mapping[str, Any], wheel: WheelFile) -> dict[str, Any]:
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
