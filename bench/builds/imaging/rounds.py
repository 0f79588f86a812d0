"""One round: every way builds every row, then the images are pulled and tried."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.builds.imaging.changes import ADDED, COLD, ROWS, import_script, requirements_of
from bench.builds.imaging.floor import run_floor
from bench.builds.imaging.parts.engines import Engine
from bench.builds.imaging.results import Result
from bench.builds.imaging.ways import Dockerfile, Ours, Way
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.download.fetch import fetch
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.services.servers.registry import Registry

BARE = "wheels to store, no bytecode"
IMPORTS = "import of all in the container"


@dataclass
class Run:
    """A run: its folder, services, rows, and the options for a local index."""

    folder: Path
    registry: Registry
    engine: Engine
    ours: Ours
    others: list[Dockerfile]
    size: str
    rows: list[str]
    index: list[str]
    packages: list[str]
    plain: list[Way] = field(default_factory=list)
    floor: Result = field(default_factory=lambda: Result("floor"))

    @property
    def ways(self) -> list[Way]:
        return [self.ours, *self.others]

    @property
    def engines(self) -> list[Engine]:
        """This machine's own engine, and those that others need."""
        more = (way.engine for way in self.others if way.engine is not self.engine)
        return [self.engine, *more]

    @property
    def services(self) -> list[int]:
        """The processes whose memory is not ours."""
        return [pid for engine in self.engines for pid in engine.pids] + (
            [self.registry.process.pid] if self.registry.process else []
        )


def measure_round(run: Run, number: int) -> None:
    """Measure every way once; each round begins with another."""
    path = run.folder / f"round{number}"
    turn = number % len(run.ways)
    for way in (*run.ways[turn:], *run.ways[:turn]):
        way.begin(path, number)
        for count, row in enumerate(ROWS):
            if row in run.rows:
                requirements = [*run.index, *requirements_of(row, run.size, run.packages)]
                way.measure(row, count, requirements, run.services)
    for way in run.plain:
        way.begin(path, number)
        for count, row in enumerate(ROWS):
            if row in (COLD, ADDED) and row in run.rows:
                requirements = [*run.index, *requirements_of(row, run.size, run.packages)]
                way.measure(row, count, requirements, run.services)
    without_bytecode(run, path)


def without_bytecode(run: Run, path: Path) -> None:
    """Measure the layers of wheels that are on the disk, and the floor with the same bytes."""
    workshop = Workshop(store=BlobStore(path / "plain"), cache=path / "plain-cache", bytecode="none")
    base, lock = find_base("host", workshop, Quiet()), run.ours.locks[ROWS.index(COLD)]
    fetched = fetch(lock, run.ours.workshop, Quiet())
    layers = partial(assemble, base, lock, fetched, ImageSettings(), workshop, Quiet())
    run.ours.result.measure(BARE, layers, without=run.services)
    floor = partial(run_floor, fetched, path / "floor", workshop.jobs)
    run.floor.measure(BARE, floor, without=run.services)


def pulls(run: Run) -> None:
    """Measure `docker pull` into engines that have the base only, then of one package more, and imports."""
    for engine in run.engines:
        for way in (run.ours, *(way for way in run.others if way.engine is engine)):
            engine.forget()
            engine.docker("pull", f"{run.registry.address}/bench/base:1")
            for row, more in ((COLD, ""), (ADDED, ", one added")):
                if row in run.rows:
                    pull = partial(engine.docker, "pull", way.image(ROWS.index(row)))
                    way.result.measure(f"pull, {engine.label}{more}", pull, without=run.services)
            if way is not run.ours or engine is run.engine:
                way.result.add(IMPORTS, import_seconds(way, engine, run.packages))
        engine.forget()


def import_seconds(way: Way, engine: Engine, packages: list[str]) -> float:
    """Return how long a container takes to import the packages: the median of three."""
    arguments = ["run", "--rm", "--network", "none", way.image(ROWS.index(COLD)), "python", "-c"]
    return statistics.median(float(engine.docker(*arguments, import_script(packages))) for _ in range(3))
