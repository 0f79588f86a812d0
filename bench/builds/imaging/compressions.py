"""Pulls of the same image in gzip, in zstd and uncompressed: `python -m bench.builds.imaging.compressions [--size M] [--rounds 3]`.

Debian 13's engine pulls each from a registry of ours, into overlay2 and into containerd's store; podman, where it is
installed, into its own. Every pull is full: the engine has the base only. It prints medians and the ratios to gzip.
Over loopback, no compression can be pulled much faster than layers that need no unpacking.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.builds.imaging.__main__ import CACHE
from bench.builds.imaging.changes import SIZES
from bench.builds.imaging.parts.engines import Engine, NewEngine
from bench.builds.imaging.results import machine_seconds
from bench.memory import process_tree
from builds.imaging.assemble import AssembledImage, ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.bases.model import Base
from builds.imaging.download.fetch import fetch
from builds.imaging.oci.codecs import CODECS
from builds.imaging.oci.manifest import OCI_MANIFEST, Descriptor
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Bytecode, Workshop
from tests.services.debian.engine import new_engine
from tests.services.parts import find_program
from tests.services.servers.registry import Registry

BASE = "bench/base:1"
UNCOMPRESSED = "application/vnd.oci.image.layer.v1.tar"


@dataclass
class Measured:
    """Durations of pulls of an image by an engine, a value for each round."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def add(self, seconds: float, cpu_seconds: float) -> None:
        self.seconds.append(seconds)
        self.cpu_seconds.append(cpu_seconds)

    def __str__(self) -> str:
        return f"{statistics.median(self.seconds):6.2f} s, CPU {statistics.median(self.cpu_seconds):6.2f} s"


@dataclass(frozen=True)
class Puller:
    """An engine that pulls: `forget` leaves it without images, `cpu` is what it used till now."""

    label: str
    forget: Callable[[], object]
    pull: Callable[[str], object]
    cpu: Callable[[], float]


def main() -> None:
    """Build the images, pull them in turns, and print the table."""
    payload = options()
    with tempfile.TemporaryDirectory(prefix="bench-pulls-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        registry = Registry(folder / "registry")
        registry.start()
        try:
            names = built(folder, registry, payload.size, bytecode=not payload.no_bytecode)
            show(measured(folder, registry, names, payload))
        finally:
            registry.stop()


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="M", help="which environment (default M)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which medians are printed")
    parser.add_argument("--no-bytecode", action="store_true", help="leave bytecode out of the image")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where Debian 13's engine is kept")
    return parser.parse_args()


def built(folder: Path, registry: Registry, size: str, *, bytecode: bool) -> dict[str, str]:
    """Build the image in every compression and push it; return the names by compression."""
    mode: Bytecode = "imported" if bytecode else "none"
    workshop = Workshop(store=BlobStore(folder / "store"), cache=folder / "cache", bytecode=mode)
    base = find_base("host", workshop, Quiet())
    described = Descriptor(media_type=OCI_MANIFEST, digest=base.digest, size=workshop.store.size(base.digest))
    push(described, f"{registry.address}/{BASE}", workshop, Quiet())
    lock = resolve(base, SIZES[size], workshop, Quiet())
    fetched = fetch(lock, workshop, Quiet())
    names = {}
    for compression in CODECS:
        chosen = replace(workshop, compression=compression)
        cpu, began = machine_seconds(), time.perf_counter()
        image = assemble(base, lock, fetched, ImageSettings(), chosen, Quiet())
        seconds, cpu = time.perf_counter() - began, machine_seconds() - cpu
        print(
            f"{compression}: packed in {seconds:.2f} s, CPU {cpu:.2f} s; {_added(image, base) / 1e6:.1f} MB"
        )
        names[compression] = f"{registry.address}/bench/{compression}:1"
        push(image.descriptor, names[compression], chosen, Quiet())
        if compression == "gzip":
            names["none"] = f"{registry.address}/bench/none:1"
            push(uncompressed(image, base, workshop.store), names["none"], workshop, Quiet())
    return names


def uncompressed(image: AssembledImage, base: Base, store: BlobStore) -> Descriptor:
    """Store an image in gzip again with its own layers as they are unpacked; return the manifest."""
    manifest = json.loads(store.read(image.descriptor.digest))
    layers = manifest["layers"]
    for layer in layers[len(base.layers) :]:
        plain = store.put(gzip.decompress(store.read(layer["digest"])), UNCOMPRESSED)
        layer |= {"mediaType": UNCOMPRESSED, "digest": plain.digest, "size": plain.size}
    size = sum(layer["size"] for layer in layers[len(base.layers) :])
    print(f"none: {size / 1e6:.1f} MB")
    return store.put(json.dumps(manifest).encode(), OCI_MANIFEST)


def _added(image: AssembledImage, base: Base) -> int:
    return sum(layer.size for layer in image.layers[len(base.layers) :])


def measured(
    folder: Path, registry: Registry, names: dict[str, str], payload: argparse.Namespace
) -> dict[str, dict[str, Measured]]:
    """Return what pulls took, by engine and compression. Compressions take turns in being first."""
    table: dict[str, dict[str, Measured]] = {}
    for open_puller in pullers(folder, payload.cache):
        with open_puller as puller:
            rows = table.setdefault(puller.label, {compression: Measured() for compression in names})
            for number in range(payload.rounds):
                turn = number % len(names)
                for compression in (*list(names)[turn:], *list(names)[:turn]):
                    puller.forget()
                    puller.pull(f"{registry.address}/{BASE}")
                    began, cpu = time.perf_counter(), puller.cpu()
                    puller.pull(names[compression])
                    rows[compression].add(time.perf_counter() - began, puller.cpu() - cpu)
                    print(f"  {puller.label}: {compression}: {rows[compression]}", flush=True)
            puller.forget()
    return table


def pullers(folder: Path, cache: Path) -> Iterator[AbstractContextManager[Puller]]:
    """Yield the engines there are, each to be opened."""
    unpacked = new_engine(cache)
    for containerd in (False, True):
        yield _docker(
            NewEngine(folder / f"docker-{containerd}", folder / "undo", unpacked, containerd=containerd)
        )
    if find_program("podman"):
        yield _podman(folder / "podman")


@contextmanager
def _docker(engine: Engine) -> Iterator[Puller]:
    engine.start()
    try:
        yield Puller(
            engine.label, engine.forget, lambda name: engine.docker("pull", name), lambda: cpu_of(engine.pids)
        )
    finally:
        engine.stop()


@contextmanager
def _podman(folder: Path) -> Iterator[Puller]:
    folder.mkdir()
    options = [
        "--root",
        str(folder / "root"),
        "--runroot",
        str(folder / "run"),
        "--storage-driver",
        "overlay",
    ]

    def podman(*arguments: str) -> None:
        done = subprocess.run(["podman", *options, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"podman {' '.join(arguments)} failed: {done.stderr[-2000:]}")

    def cpu() -> float:
        times = os.times()
        return times.children_user + times.children_system

    yield Puller(
        "podman",
        lambda: podman("rmi", "--all", "--force"),
        lambda name: podman("pull", "--tls-verify=false", name),
        cpu,
    )


def cpu_of(pids: Sequence[int]) -> float:
    """Return the CPU seconds of processes and all below them, those that ended among them."""
    ticks = 0
    for pid in {pid for root in pids for pid in process_tree(str(root))}:
        try:
            fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended: its parent counts it
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def show(table: dict[str, dict[str, Measured]]) -> None:
    """Print medians, and how many times faster than gzip each is."""
    print(f"\n{'full pull':<22} {'':<8}{'wall':>10}{'CPU':>10}")
    for label, rows in table.items():
        first = next(iter(rows.values()))
        for compression, row in rows.items():
            wall, cpu = statistics.median(row.seconds), statistics.median(row.cpu_seconds)
            ratio = (
                ""
                if row is first
                else f"  {statistics.median(first.seconds) / wall:.2f} times faster,"
                f" CPU {statistics.median(first.cpu_seconds) / cpu:.2f} times less"
            )
            print(f"{label:<22} {compression:<8}{wall:>8.2f} s{cpu:>8.2f} s{ratio}")


if __name__ == "__main__":
    main()
