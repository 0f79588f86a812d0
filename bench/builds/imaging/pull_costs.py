"""Costs of a full `docker pull` to an engine: `python -m bench.builds.imaging.pull_costs [--wheels FOLDER] [--rounds 3]`.

The studio makes an image; variants of it hold the same files, packed in other ways. Each is pulled into engines that
have its base only, in turns. Printed are the median of the seconds, and the least CPU seconds of the engine with all that it starts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.builds.imaging.__main__ import CACHE, pinned
from bench.builds.imaging.changes import SIZES
from bench.builds.imaging.parts.engines import Engine, NewEngine
from bench.builds.imaging.parts.local_wheels import index_of
from bench.builds.imaging.pull_variants import PARTS, VARIANTS, Counts, Original, Variant
from bench.builds.imaging.results import Result
from bench.builds.imaging.ways import UV, Dockerfile, Ours
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.download.fetch import fetch
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from tests.services.debian.engine import new_engine
from tests.services.debian.packages import Unavailable
from tests.services.processes import descendants
from tests.services.servers.registry import Registry

DOCKERFILE = "Dockerfile + uv"
PACKAGES = ["numpy", "pandas", "scipy", "scikit-learn", "matplotlib"]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Pulls:
    """An image in the registry, and the measurements of its pulls by engine: seconds, and CPU seconds."""

    name: str
    image: str
    counts: Counts | None = None
    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def main() -> None:
    """Measure, and print the table."""
    payload = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="bench-pulls-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with services(folder, payload) as (registry, engines):
            images = made(folder, registry, engines[0], payload)
            for engine in engines:
                engine.docker("pull", f"{registry.address}/bench/base:1")
            try:
                for number in range(payload.rounds):
                    turn = number % len(images)
                    for image in (*images[turn:], *images[:turn]):
                        for engine in engines:
                            measure(image, engine)
            finally:
                print(table(images, [engine.label for engine in engines]), flush=True)
                if payload.json:
                    payload.json.write_text(json.dumps([asdict(image) for image in images], indent=1))


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packages", nargs="*", default=PACKAGES, help="what the image holds")
    parser.add_argument("--size", choices=SIZES, help="the packages of that size instead")
    parser.add_argument("--rounds", type=int, default=3, help="pulls of each variant into each engine")
    parser.add_argument("--variants", nargs="*", help="only those whose names begin so")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels, offered as an index")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where Debian 13's engine is kept")
    parser.add_argument("--json", type=Path, help="a file for every single measurement")
    return parser.parse_args()


@contextmanager
def services(folder: Path, payload: argparse.Namespace) -> Iterator[tuple[Registry, list[Engine]]]:
    """Run a registry and engines of our own, and undo all of it."""
    registry = Registry(folder / "registry")
    engines = [Engine(folder / "docker", undo=folder / "undo")]
    try:
        unpacked = new_engine(payload.cache)
        for containerd in (False, True):
            path = folder / f"docker-26-{containerd}"
            engines.append(NewEngine(path, folder / "undo", unpacked, containerd=containerd))
    except Unavailable as error:
        print(f"Engine 26 is left out: {error}", flush=True)
    try:
        for service in (registry, *engines):
            service.start()
        yield registry, engines
    finally:
        for service in (*reversed(engines), registry):
            service.stop()
        undo = folder / "undo"
        for line in reversed(undo.read_text().splitlines() if undo.exists() else []):
            subprocess.run(json.loads(line), check=False)


def made(folder: Path, registry: Registry, engine: Engine, payload: argparse.Namespace) -> list[Pulls]:
    """Return the images in the registry: the Dockerfile's, the studio's and its variants."""
    names = SIZES[payload.size] if payload.size else payload.packages
    with index_of(payload.wheels, folder / "index") as index:
        requirements = [*index, *pinned(folder, registry, names, index)]
        ours = Ours("ours", registry, Result("ours"))
        ours.begin(folder / "ours", 0)
        ours.build(0, requirements)
        base = find_base("host", ours.workshop, Quiet())
        wheels = fetch(ours.locks[-1], ours.workshop, Quiet())
        image = assemble(base, ours.locks[-1], wheels, ImageSettings(), ours.workshop, Quiet())
        dockerfile = Dockerfile("uv", registry, Result(DOCKERFILE), engine, UV)
        images = []
        if chosen(DOCKERFILE, payload):
            dockerfile.begin(folder / "dockerfile", 0)
            dockerfile.build(0, requirements)
            engine.forget()
            images.append(Pulls(DOCKERFILE, dockerfile.image(0)))
    original = Original(image, ours.workshop.store)
    for number, variant in enumerate([*VARIANTS, *PARTS]):
        if chosen(variant.name, payload):
            images.append(pushed(variant, f"{registry.address}/bench/variants:{number}", original, ours))
    return images


def chosen(name: str, payload: argparse.Namespace) -> bool:
    """Return whether a variant is among those that are wanted."""
    return payload.variants is None or any(name.startswith(wanted) for wanted in payload.variants)


def pushed(variant: Variant, reference: str, original: Original, ours: Ours) -> Pulls:
    """Make a variant and push it."""
    manifest, counts = original.make(variant)
    push(manifest, reference, ours.workshop, Quiet())
    print(f"  {variant.name}: {counts}", flush=True)
    return Pulls(variant.name, reference, counts)


def measure(image: Pulls, engine: Engine) -> None:
    """Pull an image into an engine that has the base, and remove it again."""
    cpu, began = engine_seconds(engine), time.perf_counter()
    engine.docker("pull", image.image)
    seconds, used = time.perf_counter() - began, engine_seconds(engine) - cpu
    image.seconds.setdefault(engine.label, []).append((seconds, used))
    print(f"  {engine.label}: {image.name}: {seconds:.2f} s, CPU {used:.2f} s", flush=True)
    engine.docker("rmi", image.image)


def engine_seconds(engine: Engine) -> float:
    """Return the CPU seconds of an engine and of all that it started, containerd among it."""
    pids = [pid for root in engine.pids for pid in (root, *(child.pid for child in descendants(root)))]
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # its own and its ended children's, in user and system mode
    return ticks / TICKS


def table(images: Sequence[Pulls], engines: Sequence[str]) -> str:
    """Return median seconds, least CPU seconds, and how many times the first image's CPU seconds each needs."""
    lines = [
        "| | layers, members | files, directories | MB packed, plain |"
        + "".join(f" {engine} |" for engine in engines),
        "|---" * (4 + len(engines)) + "|",
    ]
    for image in images:
        cells = ["", "", ""]
        if image.counts is not None:
            c = image.counts
            cells = [
                f"{c.layers}, {c.members:,}",
                f"{c.files:,}, {c.folders:,}",
                f"{c.packed:.0f}, {c.plain:.0f}",
            ]
        for engine in engines:
            if engine not in image.seconds:
                cells.append("-")  # it was broken off before
                continue
            seconds, used = summary(image, engine)
            ratio = used / (summary(images[0], engine)[1] or 1)
            cells.append(
                f"{seconds:.1f} s, CPU {used:.2f} s ({ratio:.2f}, {len(image.seconds[engine])} pulls)"
            )
        lines.append(f"| {image.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def summary(image: Pulls, engine: str) -> tuple[float, float]:
    """Return an image's pulls into an engine: the median of the seconds, and the least CPU seconds.

    The least: others' work on the same cores makes a pull's own CPU seconds more, and never less.
    """
    pulls = image.seconds[engine]
    return statistics.median(s for s, _ in pulls), min(used for _, used in pulls)


if __name__ == "__main__":
    main()
