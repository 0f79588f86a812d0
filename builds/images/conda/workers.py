"""Talking to the processes that work with rattler: they end with the build, and within a second if told to."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from builds.images.report import Cancelled, ImageError, Reporter

_GLANCE_SECONDS = 0.25
_ENDING_SECONDS = 1.0
_ROOT = Path(__file__).parents[3]


class Worker:
    """One process. Use as a context manager: leaving it ends the process."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        self._ended = threading.Event()
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "builds.images.conda.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(
        self, question: dict[str, Any], reporter: Reporter | None = None, *, timeout: float = 0.0
    ) -> dict[str, Any]:
        """Return the answer; one that tells what went wrong is raised as the error it is."""
        assert self._child.stdin is not None  # noqa: S101
        assert self._child.stdout is not None  # noqa: S101
        try:
            print(json.dumps(question), file=self._child.stdin, flush=True)
            if reporter is not None:
                self._await(self._child.stdout, reporter, timeout)
            answer: dict[str, Any] = json.loads(self._child.stdout.readline())
        except (BrokenPipeError, ValueError) as error:
            if self._ended.is_set():
                raise Cancelled from error
            raise ImageError(
                "conda-failed",
                "The process that works with conda packages ended before it was done.",
                "Build again. If it happens again, the machine may be short of memory.",
                fault="studio",
            ) from error
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
            if pipe is not None:
                with suppress(BrokenPipeError, ValueError):
                    pipe.close()

    def _await(self, answers: IO[str], reporter: Reporter, timeout: float) -> None:
        until = time.monotonic() + timeout
        while not select.select([answers], [], [], _GLANCE_SECONDS)[0]:
            reporter.check()
            if timeout and time.monotonic() > until:
                raise ImageError(
                    "timeout",
                    f"No set of conda packages was found within {timeout:.0f} seconds.",
                    "Build again; if it happens again, pin more packages so that there is less to try.",
                    fault="outside",
                )
