"""The cost of confinement for a build: `python -m bench.builds.confinement`.

Each process is started and ended, by turns: the median of ROUNDS, in milliseconds. This process has as much memory as
a worker has after some builds, MEGABYTES.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from builds.confinement.confine import Confinement, environment, start, support
from builds.imaging.child_process import FORKS

ROUNDS = 30
MEGABYTES = 300
PACKER = "builds.imaging.packing.pack_worker"


def plain() -> None:
    """Start a program as any program starts another."""
    subprocess.Popen(["true"], start_new_session=True).wait()


def copied(confinement: Confinement) -> None:
    """Start the same program confined, as a copy of this process that becomes it."""
    start(["true"], confinement, env=environment({})).wait()


def commanded(confinement: Confinement) -> None:
    """Start it from the fork server, as solvers are."""
    FORKS.run(["true"], confinement, environment({})).communicate()


def new_python() -> None:
    """Start a packer without a fork server."""
    subprocess.run([sys.executable, "-c", f"import {PACKER}"], check=True)


def forked(confinement: Confinement) -> None:
    """Fork a confined packer."""
    child = FORKS.start(PACKER, confinement)
    child.kill()
    child.wait()


def main() -> None:
    """Measure, and print one line for each way."""
    for sentence in support().missing:
        print(f"Not measured. {sentence}")
    with tempfile.TemporaryDirectory() as folder:
        confinement = Confinement(writes=(Path(folder),))
        watched = replace(confinement, processes=8)
        ways: dict[str, Callable[[], None]] = {
            "a program": plain,
            "a confined program, a copy of this process first": lambda: copied(confinement),
            "a confined program from the fork server": lambda: commanded(confinement),
            "the same that may start others (a solver)": lambda: commanded(watched),
            "a new Python with a packer's modules": new_python,
            "a confined packer, forked": lambda: forked(watched),
        }
        forked(confinement)  # the server's own start is once for each worker
        memory = bytearray(os.urandom(1 << 20)) * MEGABYTES
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                began = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - began)
        del memory
    FORKS.close()
    for name, values in seconds.items():
        print(f"{name:52} {1000 * median(values):7.1f} ms")


if __name__ == "__main__":
    main()
