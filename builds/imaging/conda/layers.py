"""Pack fetched conda packages into layers in the store: a layer for each big package, small packages together."""

from __future__ import annotations

import json
import queue
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from builds.confinement.confine import Confinement
from builds.imaging.bases.model import Base
from builds.imaging.bytecode.interpreters import Interpreter
from builds.imaging.bytecode.providers import connected, find_interpreter
from builds.imaging.child_process import Worker
from builds.imaging.conda.clashes import clash, put_aside
from builds.imaging.conda.environment import platform_of
from builds.imaging.conda.files import CondaFile, python_minor
from builds.imaging.conda.packing import CondaSegments
from builds.imaging.conda.workers import conda_worker, installation_order
from builds.imaging.download.fetch import Fetched
from builds.imaging.files import WheelFile
from builds.imaging.interruptible import completed_batches
from builds.imaging.lock import Lock
from builds.imaging.oci.layer import Layer, LayerWriter
from builds.imaging.packing.grouping import DEEPEST, grouped, layer_budget
from builds.imaging.packing.layers import spread_layers, work_of
from builds.imaging.packing.packers import Work
from builds.imaging.packing.segment import Packed, Segment
from builds.imaging.packing.wheel import PREFIX
from builds.imaging.reporting import Reporter
from builds.imaging.workshop import Workshop


def environment_layers(
    base: Base, lock: Lock, fetched: Fetched, workshop: Workshop, reporter: Reporter
) -> list[Layer]:
    """Return the layers that make /opt/env the lock's conda environment; none if it has no conda packages."""
    if not lock.conda:
        return []
    files: Sequence[CondaFile] = _conda_files(lock, fetched)
    packing = _Packing(files, platform_of(base), workshop, reporter)
    budget = layer_budget(len(base.layers)) - 1
    if fetched.wheels:
        # The packages of pip go on top, and need layers as well.
        budget = min(budget, (DEEPEST - len(base.layers)) // 2)
    files = _apart(files, packing, budget, lock, reporter)
    packages = spread_layers(files, [file.name for file in files], packing.pack, budget, workshop, reporter)
    return [*packages, _history(lock, workshop)]


def _conda_files(lock: Lock, fetched: Fetched) -> list[CondaFile]:
    packages = {package.sha256: package for package in lock.packages if package.kind == "conda"}
    result = []
    for file in fetched.conda:
        package = packages[file.sha256]
        known = (file.name, file.version, file.path, file.sha256, file.size)
        result.append(CondaFile(*known, url=package.url, channel=package.channel, subdir=package.subdir))
    return result


def _apart(
    files: Sequence[CondaFile], packing: _Packing, budget: int, lock: Lock, reporter: Reporter
) -> Sequence[CondaFile]:
    """Return the packages so that no two bring the same path: as rattler would leave them."""
    segments = packing.pack(work_of(grouped(files, budget)))
    if not clash(segment.files for segment in segments.values()):
        return files
    paths = {
        name: [path.removeprefix(f"{PREFIX}/") for path in segment.files]
        for name, segment in segments.items()
    }
    order = installation_order(lock)
    aside = put_aside(paths, order)
    _report(aside, order, segments, reporter)
    return [replace(file, aside=aside.get(file.name, ())) for file in files]


def _report(
    aside: Mapping[str, Sequence[str]],
    order: Sequence[str],
    segments: Mapping[str, Segment],
    reporter: Reporter,
) -> None:
    """Say whose file is used where two differ: once for each pair of packages."""
    reported = set()
    for name in order:
        for path in (f"{PREFIX}/{path}" for path in aside.get(name, ())):
            content = segments[name].files[path]
            owner = next((other for other in reversed(order) if path in segments[other].files), name)
            if owner == name:
                reporter.line(f"/{path} of {name} is put aside: another package has a file or folder there")
            elif segments[owner].files[path] != content and (owner, name) not in reported:
                reported.add((owner, name))
                reporter.line(f"{owner} and {name} both bring /{path}: that of {owner} is used")


def _history(lock: Lock, workshop: Workshop) -> Layer:
    """Return the layer by which conda recognises the folder as an environment, with the requested specifications."""
    conda = [package for package in lock.packages if package.kind == "conda"]
    requested = [f"{package.name}=={package.version}" for package in conda if package.requested]
    lines = ["==> 1980-01-02 00:00:00 <==", "# cmd: environment-studio"]
    lines += [f"+{p.channel}/{p.subdir}::{p.name}-{p.version}-{p.build}" for p in conda]
    lines += [f"# update specs: {json.dumps(requested)}"]
    with workshop.store.writer() as blob:
        writer = LayerWriter(blob, workshop.codec)
        writer.file(f"{PREFIX}/conda-meta/history", ("\n".join(lines) + "\n").encode())
        return writer.commit("conda's history of the environment")


class _Packing:
    """Packs packages in processes of their own, as many at a time as the workshop allows."""

    def __init__(
        self, files: Sequence[CondaFile], platform: str, workshop: Workshop, reporter: Reporter
    ) -> None:
        self._python = next((file for file in files if file.name == "python"), None)
        self._workshop = workshop
        self._reporter = reporter
        self._interpreter = self._find_interpreter()
        self._segments = CondaSegments(workshop, self._python, self._interpreter)
        self._platform = platform
        self._packed: dict[Work, Segment] = {}

    def pack(self, work: Sequence[Work]) -> dict[str, Segment]:
        """Return the segment of each; what was packed before is found."""
        total = sum(file.size for file, _ in work)
        packed: dict[str, Segment] = {}
        missing: list[Work] = []
        for file, alone in work:
            known = self._packed.get((file, alone)) or self._segments.known(file, alone=alone)
            if known is None:
                missing.append((file, alone))
            else:
                packed[file.name] = self._packed[file, alone] = known
        done = total - sum(file.size for file, _ in missing)
        self._reporter.progress(done, total, "bytes")
        missing.sort(key=lambda item: -item[0].size)
        for file, segment in self._each(missing):
            packed[file.name] = segment
            done += file.size
            self._reporter.progress(done, total, "bytes")
        return packed

    def _each(self, missing: Sequence[Work]) -> Iterator[tuple[WheelFile, Segment]]:
        """Yield each as it is packed. A cancelled build ends all that is under way."""
        if not missing:
            return
        count = min(self._workshop.jobs, len(missing))
        with ExitStack() as stack:
            idle: queue.SimpleQueue[tuple[Worker, Path]] = queue.SimpleQueue()
            workers = []
            for _ in range(count):
                # Removed by us: a worker that is killed leaves what it had half unpacked.
                folder = self._workshop.store.staging()
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                workers.append(stack.enter_context(self._worker(folder, missing)))
                idle.put((workers[-1], folder))
            pool = stack.enter_context(ThreadPoolExecutor(count, thread_name_prefix="conda"))
            futures: dict[Future[Segment], Work] = {
                pool.submit(self._ask, idle, work): work for work in missing
            }
            try:
                for completed in completed_batches(futures, self._reporter):
                    for future in completed:
                        yield futures.pop(future)[0], future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for worker in workers:
                    worker.ask_to_end()
                for worker in workers:
                    worker.end()
                raise

    def _worker(self, folder: Path, missing: Sequence[Work]) -> Worker:
        with connected(self._interpreter, self._workshop) as descriptor:
            return conda_worker(self._confinement(folder, missing), descriptor=descriptor)

    def _confinement(self, folder: Path, missing: Sequence[Work]) -> Confinement:
        """Return what a worker may do: read the packages, write its folder, and start compilers."""
        reads = {file.path.parent.absolute() for file, _ in missing}
        if self._interpreter is not None:
            reads |= set(self._interpreter.reads)
        # A compiler, and a few that are just being replaced.
        return Confinement(reads=tuple(reads), writes=(folder,), processes=5 if self._interpreter else 1)

    def _ask(self, idle: queue.SimpleQueue[tuple[Worker, Path]], work: Work) -> Segment:
        file, alone = work
        worker, folder = idle.get()
        out = folder / secrets.token_hex(8)
        try:
            answer = worker.ask(
                {
                    "do": "pack",
                    "staging": str(folder),
                    "out": str(out),
                    "interpreter": self._interpreter and self._interpreter.as_json(),
                    "platform": self._platform,
                    "python": self._python.as_json() if self._python else None,
                    "file": file.as_json(),
                    "alone": alone,
                    "compression": self._workshop.compression,
                }
            )
            return self._segments.keep(file, Packed.from_json(answer), out, alone=alone)
        finally:
            idle.put((worker, folder))

    def _find_interpreter(self) -> Interpreter | None:
        if self._python is None:
            return None
        return find_interpreter(python_minor(self._python), self._workshop, self._reporter)
