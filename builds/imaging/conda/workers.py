"""Have confined processes solve, install and read conda packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from builds.confinement.confine import Confinement
from builds.imaging.child_process import Worker
from builds.imaging.conda.archive import Contents
from builds.imaging.files import WheelFile
from builds.imaging.lock import Lock
from builds.imaging.reporting import ImageError, Quiet, Reporter

_READING_BYTES = 1024**3


def conda_worker(
    confinement: Confinement, env: Mapping[str, str] | None = None, descriptor: int | None = None
) -> Worker:
    """Start a process that works with conda packages, with variables of its own, and a descriptor it inherits."""
    vanished = ImageError(
        "conda-failed",
        "The process that works with conda packages ended before it was done.",
        "Build again. If it happens again, the machine may be short of memory.",
        fault="studio",
    )
    return Worker("builds.imaging.conda.worker", confinement, vanished, env, descriptor)


def installation_order(lock: Lock) -> list[str]:
    """Return the names of the lock's conda packages in the order in which rattler installs them."""
    needs: dict[str, list[str]] = {package.name: [] for package in lock.packages}
    conda = [package for package in lock.packages if package.kind == "conda"]
    for package in conda:
        for parent in package.needed_by:
            needs.setdefault(parent, []).append(package.name)
    packages = [
        {"name": p.name, "version": p.version, "subdir": p.subdir, "needs": sorted(needs[p.name])}
        for p in conda
    ]
    with conda_worker(Confinement(memory=_READING_BYTES)) as worker:
        order: list[str] = worker.ask({"do": "order", "packages": packages}, Quiet())["order"]
    return order


def read_contents(files: Sequence[WheelFile], reporter: Reporter) -> Iterator[tuple[WheelFile, Contents]]:
    """Yield each package with what it says of itself."""
    if not files:
        return
    folders = tuple({file.path.parent.absolute() for file in files})
    with conda_worker(Confinement(reads=folders, memory=_READING_BYTES)) as worker:
        for file in files:
            known = WheelFile.as_json(file)
            answer = worker.ask({"do": "read", "file": known}, reporter)
            yield file, Contents(answer["index"], tuple(answer["paths"]))
