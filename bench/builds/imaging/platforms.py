"""Measure what a second platform adds to a cold build: `python -m bench.builds.imaging.platforms --size M`.

Both builds start from the same bases, of Debian's Python, with empty caches; everything comes from PyPI.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bench.builds.imaging.changes import SIZES
from bench.memory import process_tree
from builds.imaging.assemble import ImageSettings, assemble, indexed
from builds.imaging.bases.find import find_bases
from builds.imaging.bases.model import Bases
from builds.imaging.download.fetch import fetch_together
from builds.imaging.lock import Lock
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.check import check_lock
from builds.imaging.pip.declared.facts import facts_of_wheels
from builds.imaging.pip.machines import check_machines
from builds.imaging.pip.resolve import resolve
from builds.imaging.pip.targets.beside import Beside
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.services.debian.python import push_debian_python
from tests.services.servers.registry import Registry

PLATFORMS = ("linux/amd64", "linux/arm64")
STEPS = ("resolve", "fetch", "assemble", "check")
T = TypeVar("T")


class Clock:
    """Wall and CPU seconds of each step; the CPU's with that of all child processes."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STEPS, 0.0)
        self.cpu_seconds = dict.fromkeys(STEPS, 0.0)
        self._began = (time.monotonic(), self._cpu())
        self.total = (0.0, 0.0)

    def measure(self, step: str, work: Callable[[], T]) -> T:
        """Do one step's work."""
        began, cpu = time.monotonic(), self._cpu()
        done = work()
        self.seconds[step] += time.monotonic() - began
        self.cpu_seconds[step] += self._cpu() - cpu
        return done

    def stop(self) -> None:
        """Take wall and CPU seconds since the beginning."""
        wall, cpu = self._began
        self.total = (time.monotonic() - wall, self._cpu() - cpu)

    @staticmethod
    def _cpu() -> float:
        """Return the CPU time of this process and of all that it started, of those that have ended too."""
        ticks = 0
        for pid in process_tree(str(os.getpid())):
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")


def build(bases: Bases, requirements: Sequence[str], workshop: Workshop) -> Clock:
    """Make the image of these bases from nothing; an index if they are several."""
    clock, quiet = Clock(), Quiet()
    locks: list[Lock] = []
    for platform, base in zip(PLATFORMS, bases.each, strict=False):
        beside = Beside(platform, locks[0]) if locks else None
        first = locks[0] if locks else None

        def solve() -> Lock:
            return resolve(base, requirements, workshop, quiet, previous=first, beside=beside)  # noqa: B023

        locks.append(clock.measure("resolve", solve))
    files = clock.measure("fetch", lambda: fetch_together(locks, workshop, quiet))
    images = {}
    for platform, base, lock, fetched in zip(PLATFORMS, bases.each, locks, files, strict=False):

        def make() -> None:
            images[platform] = assemble(base, lock, fetched, ImageSettings(), workshop, quiet)  # noqa: B023

        def check() -> None:
            facts = facts_of_wheels(fetched.wheels, base.probe.minor, workshop, quiet)  # noqa: B023
            check_machines(fetched.wheels, facts, base.probe)  # noqa: B023
            check_lock(lock, fetched, quiet, facts)  # noqa: B023

        clock.measure("assemble", make)
        clock.measure("check", check)
    if len(images) > 1:
        clock.measure("assemble", lambda: indexed(images, workshop))
    clock.stop()
    return clock


def main() -> None:
    """Print the medians of a build for one platform and for two, and how many times as long the second takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="M", help="which environment (default M)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds, of which medians are printed")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-platforms-") as name:
        folder = Path(name)
        registry = Registry(folder / "registry")
        registry.start()
        try:
            reference = push_debian_python(folder / "debian", registry.address)
            report(*measured(folder, reference, list(SIZES[args.size]), args.rounds))
        finally:
            registry.stop()


def measured(
    folder: Path, reference: str, requirements: list[str], rounds: int
) -> tuple[list[Clock], list[Clock]]:
    """Return the rounds for one platform, and for both; they take turns."""
    clocks: dict[int, list[Clock]] = {1: [], 2: []}
    for _ in range(rounds):
        for count in clocks:
            store = folder / "var"
            workshop = Workshop(store=BlobStore(store / "store"), cache=store / "cache")
            bases = find_bases(reference, workshop, Quiet(), platforms=PLATFORMS[:count])
            clocks[count].append(build(bases, requirements, workshop))
            shutil.rmtree(store)
    return clocks[1], clocks[2]


def report(single: Sequence[Clock], both: Sequence[Clock]) -> None:
    """Print the table: wall and CPU seconds of each step and of all."""
    print("| wall, CPU | " + " | ".join(STEPS) + " | all |")
    print("|---|" + "---|" * (len(STEPS) + 1))
    totals = []
    for label, clocks in (("one platform", single), ("two platforms", both)):
        steps = [
            [statistics.median(values[step] for values in kind) for step in STEPS]
            for kind in ([c.seconds for c in clocks], [c.cpu_seconds for c in clocks])
        ]
        total = [statistics.median(clock.total[at] for clock in clocks) for at in (0, 1)]
        totals.append(total)
        cells = [*zip(*steps, strict=True), total]
        print(f"| {label} | " + " | ".join(f"{wall:.1f}, {cpu:.1f}" for wall, cpu in cells) + " |")
    wall, cpu = (second / first for first, second in zip(*totals, strict=True))
    print(f"\nTwo platforms take {wall:.2f} times as long as one, and {cpu:.2f} times the CPU time.")


if __name__ == "__main__":
    main()
