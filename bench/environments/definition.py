"""Reading, hashing and comparing: `python -m bench.environments.definition [CORPUS]`. Prints numbers, asserts none."""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from environments.definition import diff, read, read_path
from environments.definition.difference import diff_locks
from environments.definition.packages.locked import LockedPackage

ROOT = Path(__file__).parents[2]
FILE = "channels: [conda-forge]\ndependencies: [python=3.12, numpy=1.26, pip, {pip: [flask==3.0]}]\n"
PROGRAM = "import sys; from environments.definition.cli import main; sys.exit(main(sys.argv[1:]))"


def milliseconds(work: Callable[[], object], times: int) -> float:
    """The median of so many runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def start_time() -> float:
    """From nothing to the printed answer of `inspect --json`, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "environment.yml")
        path.write_text(FILE)
        command = [sys.executable, "-c", PROGRAM, "inspect", "--json", str(path)]
        # As installed: the modules' bytecode is there after the first run.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

        def run() -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment)

        run()
        return milliseconds(run, 7)


def lock(version: int) -> tuple[LockedPackage, ...]:
    """A thousand packages, of which every tenth differs from version to version."""
    return tuple(
        LockedPackage(f"package-{n}", f"1.{n}.{version if n % 10 == 0 else 0}", "conda" if n % 2 else "pip")
        for n in range(1000)
    )


def corpus_times(corpus: Path) -> list[tuple[float, str]]:
    """Return the time of each file in milliseconds, slowest last."""
    result = []
    with (corpus / "index.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            start = time.perf_counter()
            read_path(corpus / row["file"])
            result.append(((time.perf_counter() - start) * 1000, row["file"]))
    return sorted(result)


def main() -> None:
    default = os.environ.get("STUDIO_CORPUS") or ROOT.parent / "shared" / "corpus"
    corpus = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    bare = milliseconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), 7)
    print(f"inspect --json, whole process      {start_time():8.1f} ms (Python itself {bare:.1f} ms)")
    item = read(FILE).definition
    other = read(FILE.replace("1.26", "1.27")).definition
    assert item is not None
    assert other is not None
    print(f"read a conda file                  {milliseconds(lambda: read(FILE), 50):8.2f} ms")
    print(f"hash it                            {milliseconds(lambda: item.hash, 200):8.3f} ms")
    print(f"diff of two definitions            {milliseconds(lambda: diff(item, other), 50):8.2f} ms")
    old, new = lock(0), lock(1)
    print(f"diff of two locks of 1,000         {milliseconds(lambda: diff_locks(old, new), 20):8.2f} ms")
    if (corpus / "index.csv").is_file():
        times = corpus_times(corpus)
        middle = statistics.median(taken for taken, _ in times)
        slowest, path = times[-1]
        print(f"corpus of {len(times)} files: p50         {middle:8.2f} ms")
        print(f"corpus of {len(times)} files: slowest     {slowest:8.2f} ms ({path})")


if __name__ == "__main__":
    main()
