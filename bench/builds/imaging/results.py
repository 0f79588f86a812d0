"""Results and the table that is printed at the end."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.memory import peak_memory

WIDTH = 26


@dataclass
class Row:
    """The measurements of one row, one a round. Bytes are those that the registry did not have."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_megabytes: list[float] = field(default_factory=list)
    pushed_megabytes: list[float] = field(default_factory=list)


@dataclass
class Result:
    """The results of one way, by row. Memory counts for `roots` and all their descendants."""

    name: str
    rows: dict[str, Row] = field(default_factory=dict)

    def measure(
        self, name: str, work: Callable[[], object], roots: Sequence[int] = (), without: Sequence[int] = ()
    ) -> Row:
        """Run the work and record its duration."""
        row = self.rows.setdefault(name, Row())
        with peak_memory([os.getpid(), *roots], without) as peak:
            began, cpu = time.perf_counter(), machine_seconds()
            work()
            row.seconds.append(time.perf_counter() - began)
            row.cpu_seconds.append(machine_seconds() - cpu)
        row.peak_megabytes.append(peak.megabytes)
        message = f"{row.cpu_seconds[-1]:.1f} s of CPU, {row.peak_megabytes[-1]:.0f} MB of memory"
        print(f"  {self.name}: {name}: {row.seconds[-1]:.2f} s ({message})", flush=True)
        return row

    def add(self, name: str, seconds: float) -> None:
        """Remember what was measured elsewhere."""
        self.rows.setdefault(name, Row()).seconds.append(seconds)
        print(f"  {self.name}: {name}: {seconds:.3f} s", flush=True)


def machine_seconds() -> float:
    """Return the seconds that all processors were busy for anybody since the machine was started."""
    user, nice, system, _, _, interrupt, soft = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:8]
    )
    return (user + nice + system + interrupt + soft) / os.sysconf("SC_CLK_TCK")


def table(results: Sequence[Result]) -> str:
    """Return the medians by row and way, and how many times faster the first way is than each other."""
    ours = results[0]
    names = list(dict.fromkeys(name for result in results for name in result.rows))
    width = max(map(len, names), default=0)
    lines = [" ".join([" " * width, *(f"{result.name:>{WIDTH}}" for result in results)])]
    for name in names:
        rows = [result.rows.get(name) for result in results]
        lines.append(
            " ".join([f"{name:<{width}}", *(f"{_time(row, ours.rows.get(name)):>{WIDTH}}" for row in rows)])
        )
        below = [cells for cells in (_costs(rows), _pushed(rows)) if any(cells)]
        lines += [" ".join([" " * width, *(f"{cell:>{WIDTH}}" for cell in cells)]) for cells in below]
    return "\n".join(lines)


def write_json(results: Sequence[Result], payload: Mapping[str, object], file: Path) -> None:
    """Write every single measurement, and on what."""
    machine = {"processors": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()}
    document = {"options": payload, "machine": machine, "results": [asdict(result) for result in results]}
    file.write_text(json.dumps(document, indent=1))


def _time(row: Row | None, ours: Row | None) -> str:
    if row is None:
        return "-"
    seconds = statistics.median(row.seconds)
    text = f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"
    if ours is None or row is ours:
        return text
    return f"{text} ({seconds / statistics.median(ours.seconds):.1f} times)"


def _costs(rows: Sequence[Row | None]) -> list[str]:
    return [
        f"CPU {statistics.median(row.cpu_seconds):.1f} s, {statistics.median(row.peak_megabytes):.0f} MB"
        if row is not None and row.cpu_seconds
        else ""
        for row in rows
    ]


def _pushed(rows: Sequence[Row | None]) -> list[str]:
    return [
        f"pushed {statistics.median(row.pushed_megabytes):.1f} MB"
        if row is not None and row.pushed_megabytes
        else ""
        for row in rows
    ]
