"""Packing on every core: in processes of their own where there is much to pack, else right here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol, Self

from builds.images.bytecode import Compilers, interpreter_for
from builds.images.report import Cancelled, ImageError, Reporter
from builds.images.segment import Packer, Segment, WheelFile
from builds.images.workshop import Workshop

# Below this, starting processes takes longer than they save.
WORTH_PROCESSES = 4 * 1024**2
_GLANCE_SECONDS = 0.25
_ENDING_SECONDS = 1.0
_ROOT = Path(__file__).parents[2]
# Without the package's own front, which brings the network and the solver: that would take half a second.
_WORKER = """
import sys, types
package = types.ModuleType("builds.images")
package.__path__ = [sys.argv[1]]
sys.modules[package.__name__] = package
from builds.images.pack_worker import main
main()
"""

Work = tuple[WheelFile, bool]
"""A wheel, and whether it gets a layer of its own."""


class _Packs(Protocol):
    def pack(self, wheel: WheelFile, *, alone: bool) -> Segment: ...

    def abandon(self) -> None: ...


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
    with _packs(missing, python, interpreter, workshop) as packs:
        for wheel, segment in _each(missing, packs, workshop.jobs, reporter):
            packed[wheel.name] = segment
            done += wheel.size
            reporter.progress(done, total, "bytes")
    return packed


def _interpreter(python: tuple[int, int], workshop: Workshop, reporter: Reporter) -> str | None:
    if not workshop.bytecode:
        return None
    found = interpreter_for(python)
    if found is None:
        version = f"{python[0]}.{python[1]}"
        reporter.line(f"No bytecode, as no Python {version} is here to make it: imports will take longer")
    return found


@contextmanager
def _packs(
    missing: Sequence[Work], python: tuple[int, int], interpreter: str | None, workshop: Workshop
) -> Iterator[_Packs]:
    if workshop.jobs > 1 and sum(wheel.size for wheel, _ in missing) > WORTH_PROCESSES:
        with Processes(workshop, python, interpreter) as processes:
            yield processes
        return
    with ExitStack() as stack:
        compilers = stack.enter_context(Compilers(interpreter, workshop.jobs)) if interpreter else None
        yield Packer(workshop, python, compilers)


def _each(
    missing: Sequence[Work], packs: _Packs, jobs: int, reporter: Reporter
) -> Iterator[tuple[WheelFile, Segment]]:
    """Yield wheel and segment as each is done. A cancelled build ends all that is under way."""
    with ThreadPoolExecutor(jobs, thread_name_prefix="pack") as pool:
        waiting: dict[Future[Segment], WheelFile] = {
            pool.submit(packs.pack, wheel, alone=alone): wheel for wheel, alone in missing
        }
        try:
            while waiting:
                ended, _ = wait(waiting, _GLANCE_SECONDS, FIRST_COMPLETED)
                reporter.check()
                for future in ended:
                    yield waiting.pop(future), future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            packs.abandon()
            raise


class Processes:
    """Processes that pack, one for each thread that asks. Leaving it ends them."""

    def __init__(self, workshop: Workshop, python: tuple[int, int], interpreter: str | None) -> None:
        self._workshop = workshop
        self._finder = Packer(workshop, python, None, compiled=interpreter is not None)
        self._told = {
            "store": str(workshop.store.path.absolute()),
            "cache": str(workshop.cache.absolute()),
            "python": python,
            "interpreter": interpreter,
            "jobs": workshop.jobs,
        }
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[str]] = []
        self._abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Their input ends, and with it they do.
        for child in self._children:
            if child.stdin is not None:
                with suppress(BrokenPipeError):
                    child.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_ENDING_SECONDS)
        self.abandon()

    def pack(self, wheel: WheelFile, *, alone: bool) -> Segment:
        """Have a process pack the wheel, and return its segment."""
        child: subprocess.Popen[str] = getattr(self._mine, "child", None) or self._start()
        answer = self._ask(child, wheel, alone=alone)
        if answer:
            raise ImageError(answer["code"], answer["message"], answer["help"], fault=answer["fault"])  # type: ignore[arg-type]
        segment = self._finder.known(wheel, alone=alone)
        if segment is None:
            raise _vanished(wheel)
        self._workshop.spend(segment.stored)  # the process itself counts for nobody
        return segment

    def _ask(self, child: subprocess.Popen[str], wheel: WheelFile, *, alone: bool) -> dict[str, str]:
        asked = {
            "name": wheel.name,
            "version": wheel.version,
            "path": str(wheel.path.absolute()),
            "sha256": wheel.sha256,
            "size": wheel.size,
            "alone": alone,
        }
        assert child.stdin is not None  # noqa: S101
        assert child.stdout is not None  # noqa: S101
        try:
            print(json.dumps(asked), file=child.stdin, flush=True)
            answer: dict[str, str] = json.loads(child.stdout.readline())
        except (BrokenPipeError, ValueError) as error:
            if self._abandoned:
                raise Cancelled from error
            raise _vanished(wheel) from error
        return answer

    def _start(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._abandoned:
                raise Cancelled
            path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
            child = subprocess.Popen(
                [sys.executable, "-P", "-c", _WORKER, str(Path(__file__).parent)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
                text=True,
            )
            self._children.append(child)
        assert child.stdin is not None  # noqa: S101
        print(json.dumps(self._told), file=child.stdin, flush=True)
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
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()


def _vanished(wheel: WheelFile) -> ImageError:
    return ImageError(
        "packing-failed",
        f"The process that packed {wheel.name} {wheel.version} ended before it was done.",
        "Build again. If it happens again, the machine may be short of memory.",
        fault="studio",
    )
