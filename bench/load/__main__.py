"""Load-test a studio and print one table: `python -m bench.load [--parts watch,late,burst,pages] [--quick]`.

Ratios and counts: a machine that does other work at the same time shows other times. What must not be
otherwise (a line lost, a build too many, a query that comes with the rows) ends the run with an error.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from bench.load.bench_studio import DATABASES, BenchStudio
from bench.load.pages import page_times
from bench.load.requests import measure_burst
from bench.load.topics import open_pages
from bench.load.watching import caught_up, watched
from tests.services.studio import ROOT

PARTS = ("watch", "topics", "late", "burst", "pages")


def main() -> None:
    """Measure the requested parts."""
    options = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    options.add_argument("--parts", default=",".join(PARTS), help="which measurements")
    options.add_argument("--databases", default=",".join(DATABASES))
    options.add_argument("--folder", type=Path, help="keeps the data for the next run")
    options.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    options.add_argument("--viewers", default="1,100,1000")
    options.add_argument("--seconds", type=float, default=15, help="how long lines are written")
    options.add_argument("--rate", type=float, default=100, help="lines a second")
    options.add_argument("--lines", type=int, default=200_000, help="of the long log")
    options.add_argument("--environments", type=int, default=100_000)
    options.add_argument("--versions", type=int, default=10, help="of each environment")
    args = options.parse_args()
    if args.quick:
        args.viewers, args.seconds, args.lines, args.environments = "1,100", 4, 20_000, 2_000
    with tempfile.TemporaryDirectory(prefix="bench-load-", ignore_cleanup_errors=True) as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        for database in args.databases.split(","):
            print(f"\n{database}", flush=True)
            with BenchStudio(folder, database).running() as studio:
                for part in args.parts.split(","):
                    asyncio.run(MEASURED[part](studio, args))


async def watch(studio: BenchStudio, requested: argparse.Namespace) -> None:
    """Print how soon lines reach their viewers."""
    sessions = studio.tell("people")
    for count in map(int, requested.viewers.split(",")):
        seen = await watched(studio, sessions, count, rate=requested.rate, seconds=requested.seconds)
        connections = "" if seen.connections is None else f", {seen.connections} connections"
        say(
            f"{seen.viewers} viewers, {requested.rate:g} lines a second",
            f"p50 {seen.p50 * 1000:4.0f} ms, p99 {seen.p99 * 1000:4.0f} ms, {seen.threads} threads{connections}, "
            f"{seen.bytes_each / 1000:.0f} kB a viewer, {seen.busy:.0%} of a core",
        )


async def topics(studio: BenchStudio, requested: argparse.Namespace) -> None:
    """Print what open pages cost, beside as many viewers of a build: both with a change a second."""
    sessions = studio.tell("people")
    count = max(map(int, requested.viewers.split(",")))
    seen = await watched(studio, sessions, count, rate=1, seconds=requested.seconds)
    pages = await open_pages(studio, sessions, count, rate=1, seconds=requested.seconds)
    for what, cost in (
        (f"{count} viewers, a line a second", seen),
        (f"{count} pages, a change a second", pages),
    ):
        connections = "" if cost.connections is None else f", {cost.connections} connections"
        say(
            what,
            f"p50 {cost.p50 * 1000:4.0f} ms, p99 {cost.p99 * 1000:4.0f} ms, {cost.threads} threads{connections}, "
            f"{cost.bytes_each / 1000:.0f} kB each, {cost.busy:.0%} of a core",
        )


async def late(studio: BenchStudio, requested: argparse.Namespace) -> None:
    """Print how soon late viewers have a long log."""
    sessions = studio.tell("people")
    build = studio.tell("build")
    studio.tell("fill", build, requested.lines)
    for count in (1, 1, 50):
        took = await caught_up(studio, sessions, build, requested.lines, count)
        say(f"{requested.lines:,} lines to {count} late", f"first {took[0]:.2f} s, last {took[-1]:.2f} s")


async def burst(studio: BenchStudio, requested: argparse.Namespace) -> None:
    """Print what a burst of equal requests comes to."""
    result = await measure_burst(studio)
    say(
        f"{result.requests:,} requests for {result.definitions} definitions",
        f"{result.builds} builds; all asked in {result.seconds:.1f} s, "
        f"p50 {result.p50 * 1000:.0f} ms, p95 {result.p95 * 1000:.0f} ms to an answer",
    )


async def pages(studio: BenchStudio, requested: argparse.Namespace) -> None:
    """Print how soon pages are there with very many environments."""
    async for page in page_times(studio, requested.environments, requested.versions):
        say(
            page.name,
            f"p50 {page.p50 * 1000:5.1f} ms, p95 {page.p95 * 1000:5.1f} ms, {page.per_second:4.0f} a second, "
            f"{page.queries_few} queries with few rows, {page.queries} with all",
        )


def say(what: str, result: str) -> None:
    """Print a row of the table."""
    print(f"  {what:44} {result}", flush=True)


MEASURED = {"watch": watch, "topics": topics, "late": late, "burst": burst, "pages": pages}

if __name__ == "__main__":
    os.chdir(ROOT)
    main()
