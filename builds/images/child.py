"""Child processes that never outlive the studio, and stop within a second when a build is cancelled."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from builds.images.report import ImageError, Reporter

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_GLANCE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended, and what it wrote."""

    code: int
    out: str
    error: str


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends. Called in the child."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(
    argv: Sequence[str],
    reporter: Reporter,
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Ended:
    """Run a command to its end. A cancelled build or a timeout kills it and all that it started."""
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env) if env is not None else None,
        cwd=folder,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    until = time.monotonic() + timeout
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                out, error = child.communicate(timeout=_GLANCE_SECONDS)
                return Ended(child.returncode, out.decode(errors="replace"), error.decode(errors="replace"))
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
