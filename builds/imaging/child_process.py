"""Run child processes and confined workers that never outlive the studio, and stop within a second when a build is cancelled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from builds.confinement.confine import Confinement, die_with_parent
from builds.confinement.forked import readable
from builds.confinement.forkserver import ForkServer
from builds.imaging.reporting import Cancelled, ImageError, Reporter

# The processes that read foreign packages: each is forked, confined, with its modules imported already.
FORKS = ForkServer(
    (
        "builds.advisories.reading_worker",
        "builds.imaging.bases.probe_worker",
        "builds.imaging.conda.worker",
        "builds.imaging.installed.worker",
        "builds.imaging.packing.pack_worker",
        "builds.imaging.pip.declared.reading_worker",
    )
)

_POLL_SECONDS = 0.25
_ENDING_SECONDS = 1.0
_OVER = (-signal.SIGKILL, -signal.SIGXCPU)


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit of a child process, and its output."""

    code: int
    out: str
    error: str


def run(
    argv: Sequence[str],
    reporter: Reporter,
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    confinement: Confinement | None,
) -> Ended:
    """Run a command to its end. A cancelled build or a timeout kills it and all that it started.

    `confinement` is None only for programs of this machine that read nothing foreign.
    """
    child = FORKS.run(argv, confinement, env, folder)
    until = time.monotonic() + timeout
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                out, error = child.communicate(timeout=_POLL_SECONDS)
                code = child.wait()
                if confinement is not None and code in _OVER:
                    raise _over(argv[0])
                return Ended(code, out.decode(errors="replace"), error.decode(errors="replace"))
            reporter.check()
            if time.monotonic() > until:
                raise ImageError(
                    "timeout",
                    f"{Path(argv[0]).name} did not finish within {timeout:.0f} seconds.",
                    "Build again; if it happens again, pin more packages so that there is less to try.",
                    fault="outside",
                )
    finally:
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.communicate()


def _over(program: str) -> ImageError:
    return ImageError(
        "out-of-memory",
        f"{Path(program).name} was ended: it took more memory, CPU or processes than a build may.",
        "Request fewer packages, or pin more of them.",
    )


class Worker:
    """A confined process that runs `main()` of a module of `FORKS`, and answers requests. Leaving it ends the process.

    `vanished` is the error if it ends before it has answered.
    """

    def __init__(
        self,
        module: str,
        confinement: Confinement,
        vanished: ImageError,
        env: Mapping[str, str] | None = None,
        descriptor: int | None = None,
    ) -> None:
        self._vanished = vanished
        self._ended = threading.Event()
        self._child = FORKS.start(module, confinement, env, descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(
        self,
        question: Mapping[str, Any],
        reporter: Reporter | None = None,
        *,
        timeout: float = 0.0,
        late: ImageError | None = None,
    ) -> dict[str, Any]:
        """Return the response, or raise the error that it describes; `late` after `timeout` seconds.

        An error that nobody foresaw in the process is a RuntimeError here.
        """
        try:
            print(json.dumps(question), file=self._child.stdin, flush=True)
            if reporter is not None:
                self._await(reporter, time.monotonic() + timeout if late else None, late)
            answer: dict[str, Any] = json.loads(self._child.stdout.readline())
        except (BrokenPipeError, ValueError) as error:
            if self._ended.is_set():
                raise Cancelled from error
            raise self._vanished from error
        if "unexpected" in answer:
            raise RuntimeError(f"A confined process failed: {answer['unexpected']}")
        if "code" in answer:
            raise ImageError(answer["code"], answer["message"], answer["help"], fault=answer["fault"])
        return answer

    def ask_to_end(self) -> None:
        """Ask the process to end, without waiting for it."""
        self._ended.set()
        self._child.terminate()

    def end(self) -> None:
        """End the process: asked first, so that it cleans up, then killed."""
        self.ask_to_end()
        try:
            self._child.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            with suppress(BrokenPipeError, ValueError):
                pipe.close()

    def _await(self, reporter: Reporter, until: float | None, late: ImageError | None) -> None:
        while not readable([self._child.stdout.fileno()], _POLL_SECONDS):
            reporter.check()
            if late is not None and until is not None and time.monotonic() > until:
                raise late


def answer_requests(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Be a worker: answer the requests, one on each line of stdin, until it ends."""
    die_with_parent()
    # Ending in an orderly way removes what is half written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            response = answer(json.loads(line))
        except ImageError as error:
            response = {
                "code": error.code,
                "message": error.message,
                "help": error.help,
                "fault": error.fault,
            }
        except MemoryError:
            raise  # the file's fault, which took more than the process may have: it vanishes
        except Exception as error:
            traceback.print_exc()
            response = {"unexpected": f"{type(error).__name__}: {error}"}
        print(json.dumps(response), file=answers, flush=True)
