"""From definition to image in the registry, beside a Dockerfile: `python -m bench.images [--size M] [--rounds 1]`.

Needs a Docker Engine and docker-registry, and starts its own. Everything is measured in one run, side by
side, because machines differ; with several rounds the medians are printed.
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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import httpx

from bench.memory import peak_memory
from builds.images import (
    BlobStore,
    Fetched,
    ImageSettings,
    Lock,
    Quiet,
    Workshop,
    assemble,
    fetch,
    find_base,
    push,
    resolve,
)
from builds.images.wheel import Wheel
from tests.services.docker_engine import DockerEngine
from tests.services.registry import Registry

SIZES = {
    "S": ["requests", "click", "pydantic", "rich", "jinja2"],
    "M": ["numpy", "pandas", "scikit-learn", "scipy", "matplotlib", "jupyterlab", "mlflow-skinny"],
}
MODULES = {"mlflow-skinny": "mlflow", "scikit-learn": "sklearn", "jupyterlab": "jupyterlab"}
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
VARIABLES = {"SSL_CERT_FILE": CERTIFICATES, "PIP_CERT": CERTIFICATES, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
BUMPED = {"S": "rich==13.9.4", "M": "scikit-learn==1.7.2"}
STEPS = {
    "pip": "RUN pip install --no-cache-dir -r requirements.txt",
    "uv": "RUN --mount=type=cache,target=/root/.cache/uv uv pip install --compile-bytecode -r requirements.txt",
}
WAYS = list(STEPS)
ROWS = ["cold", "same definition", "one package added", "one package bumped", "shares 80 %"]

Build = Callable[[str, Sequence[str]], None]
"""Given a tag and requirements, makes the image and has it in the registry."""


@dataclass
class Result:
    """What was measured of one way, by row."""

    name: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    pushed: dict[str, list[float]] = field(default_factory=dict)
    memory: float = 0.0

    def add(self, row: str, seconds: float, megabytes: float | None = None) -> None:
        """Remember one measurement."""
        self.seconds.setdefault(row, []).append(seconds)
        if megabytes is not None:
            self.pushed.setdefault(row, []).append(megabytes)
        print(f"  {self.name}: {row}: {seconds:.2f} s", flush=True)


def main() -> None:
    """Measure, and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", choices=SIZES, default="M", help="which environment (default M)")
    options.add_argument("--rounds", type=int, default=1, help="rounds, of which medians are printed")
    options.add_argument("--rows", nargs="*", default=ROWS, choices=ROWS, help="which changes (default all)")
    options.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS, help="beside which (default all)")
    told = options.parse_args()
    # Ended from outside, it still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Not under a folder in memory: images are large.
    with tempfile.TemporaryDirectory(prefix="bench-images-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        with services(Path(name)) as (registry, engine):
            results = measured(Path(name), registry, engine, told)
    print_table(results)


@contextmanager
def services(folder: Path) -> Iterator[tuple[Registry, DockerEngine]]:
    """Run a registry and an engine of our own."""
    registry = Registry(folder / "registry")
    engine = DockerEngine(folder / "docker", undo=folder / "undo")
    for service in (registry, engine):
        service.folder.mkdir(parents=True, exist_ok=True)
        service.start()
    try:
        yield registry, engine
    finally:
        engine.stop()
        registry.stop()
        for line in reversed((folder / "undo").read_text().splitlines()):
            subprocess.run(json.loads(line), check=False)


def measured(
    folder: Path, registry: Registry, engine: DockerEngine, told: argparse.Namespace
) -> list[Result]:
    """Measure every way, round by round."""
    packages = pinned(folder, registry, SIZES[told.size])
    ours = Result("ours")
    others = [(Result(f"Dockerfile + {way}"), STEPS[way]) for way in told.ways]
    floor = Result("floor: read, inflate, hash, write")
    for number in range(told.rounds):
        print(f"round {number + 1} of {told.rounds}", flush=True)
        place = folder / f"round{number}"
        workshop = Workshop(store=BlobStore(place / "store"), cache=place / "cache")
        find_base("host", workshop, Quiet())
        with peak_memory() as peak:
            changes(ours, our_build(workshop, registry), registry, packages, told)
        ours.memory = max(ours.memory, peak.megabytes)
        without = Workshop(store=BlobStore(place / "plain"), cache=workshop.cache, bytecode=False)
        find_base("host", without, Quiet())
        began = time.perf_counter()
        lock, fetched = locked(without, packages)
        assemble(find_base("host", without, Quiet()), lock, fetched, ImageSettings(), without, Quiet())
        ours.add("wheels to store, no bytecode", time.perf_counter() - began)
        floor.add("wheels to store, no bytecode", floor_seconds(fetched, place / "floor"))
        for result, step in others:
            docker(engine, "builder", "prune", "-af")
            changes(result, dockerfile_build(engine, registry, step, place), registry, packages, told)
        for result in (ours, *(result for result, _ in others)):
            pulls(result, engine, registry, packages)
    return [ours, *(result for result, _ in others), floor]


def pinned(folder: Path, registry: Registry, names: Sequence[str]) -> list[str]:
    """Return the requirements, pinned for every way alike; and push the base that Dockerfiles begin with."""
    workshop = Workshop(store=BlobStore(folder / "base/store"), cache=folder / "base/cache")
    base = find_base("host", workshop, Quiet())
    lock = resolve(base, names, workshop, Quiet())
    tools = resolve(base, ["pip", "uv"], workshop, Quiet())
    wheels = fetch(tools, workshop, Quiet())
    image = assemble(base, tools, wheels, ImageSettings(variables=VARIABLES), workshop, Quiet())
    push(image.descriptor, f"{registry.address}/bench/base:1", workshop, Quiet())
    return [f"{package.name}=={package.version}" for package in lock.packages if package.requested]


def changes(
    result: Result, build: Build, registry: Registry, packages: list[str], told: argparse.Namespace
) -> None:
    """Measure the first build, and the changes that people make most often."""
    bumped = BUMPED[told.size]
    name = bumped.partition("==")[0]
    rows: dict[str, list[str]] = {
        "cold": packages,
        "same definition": packages,
        "one package added": [*packages, "tabulate==0.9.0"],
        "one package bumped": [bumped if p.startswith(f"{name}==") else p for p in packages],
        "shares 80 %": [*packages[: -max(1, len(packages) // 5)], "tqdm", "seaborn"],
    }
    tag = result.name.split()[-1]
    known = set(blobs(registry, "base", "1"))
    for number, (row, requirements) in enumerate(rows.items()):
        if row not in told.rows:
            continue
        began = time.perf_counter()
        build(f"{tag}:{number}", requirements)
        took = time.perf_counter() - began
        layers = blobs(registry, tag, str(number))
        result.add(row, took, sum(size for digest, size in layers.items() if digest not in known) / 1e6)
        known |= layers.keys()


def our_build(workshop: Workshop, registry: Registry) -> Build:
    """Build as the studio does."""
    previous: list[Lock] = []

    def build(tag: str, requirements: Sequence[str]) -> None:
        base = find_base("host", workshop, Quiet())
        lock = resolve(base, requirements, workshop, Quiet(), previous[-1] if previous else None)
        wheels = fetch(lock, workshop, Quiet())
        image = assemble(base, lock, wheels, ImageSettings(), workshop, Quiet())
        # Docker mounts the base's layers from where it had them, too.
        origins = {layer.digest: "bench/base" for layer in base.layers}
        push(image.descriptor, f"{registry.address}/bench/{tag}", workshop, Quiet(), origins=origins)
        previous.append(lock)

    return build


def dockerfile_build(engine: DockerEngine, registry: Registry, step: str, folder: Path) -> Build:
    """Build with the engine, and push."""
    context = folder / "context"

    def build(tag: str, requirements: Sequence[str]) -> None:
        context.mkdir(exist_ok=True)
        base = f"FROM {registry.address}/bench/base:1"
        context.joinpath("Dockerfile").write_text(f"{base}\nCOPY requirements.txt .\n{step}\n")
        context.joinpath("requirements.txt").write_text("\n".join(requirements))
        target = f"{registry.address}/bench/{tag}"
        docker(engine, "build", "--network", "host", "--tag", target, str(context))
        docker(engine, "push", target)

    return build


def docker(engine: DockerEngine, *words: str) -> str:
    """Run Debian's docker command, whose BuildKit is built in."""
    env = {**os.environ, "DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "1"}
    program = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
    done = subprocess.run([program, *words], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"docker {' '.join(words)} failed: {done.stderr[-2000:]}")
    return done.stdout


def blobs(registry: Registry, name: str, tag: str) -> dict[str, int]:
    """Return digest and size of an image's layers in the registry."""
    accept = (
        "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    )
    url = f"{registry.url}/v2/bench/{name}/manifests/{tag}"
    manifest = httpx.get(url, headers={"Accept": accept}, trust_env=False).raise_for_status().json()
    return {layer["digest"]: layer["size"] for layer in manifest["layers"]}


def pulls(result: Result, engine: DockerEngine, registry: Registry, packages: Sequence[str]) -> None:
    """Measure `docker pull` into an engine that has the base only, then of one package more, then imports."""
    name = result.name.split()[-1]
    docker(engine, "system", "prune", "-af")
    docker(engine, "builder", "prune", "-af")
    docker(engine, "pull", f"{registry.address}/bench/base:1")
    for row, tag in (("docker pull", "0"), ("docker pull, one added", "2")):
        if {"0": ROWS[0], "2": ROWS[2]}[tag] not in result.seconds:
            continue
        began = time.perf_counter()
        docker(engine, "pull", f"{registry.address}/bench/{name}:{tag}")
        result.add(row, time.perf_counter() - began)
    modules = ",".join(MODULES.get(p.partition("==")[0], p.partition("==")[0]) for p in packages)
    script = f"import time; t = time.perf_counter(); import {modules}; print(time.perf_counter() - t)"
    image = f"{registry.address}/bench/{name}:0"
    times = [float(docker(engine, "run", "--rm", image, "python", "-c", script)) for _ in range(3)]
    result.add("import in the container", statistics.median(times))


def locked(workshop: Workshop, packages: Sequence[str]) -> tuple[Lock, Fetched]:
    """Return lock and files, which are in the cache by now."""
    lock = resolve(find_base("host", workshop, Quiet()), packages, workshop, Quiet())
    return lock, fetch(lock, workshop, Quiet())


def floor_seconds(fetched: Fetched, target: Path) -> float:
    """Return the time that nobody who hashes and checks these bytes can go under, on two cores."""
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool, target.open("wb") as out:
        for raw in pool.map(_floor, [(wheel.path, wheel.name) for wheel in fetched.wheels]):
            out.write(raw)
        out.flush()
        os.fsync(out.fileno())
    return time.perf_counter() - began


def _floor(file: tuple[Path, str]) -> bytes:
    path, name = file
    packed, plain = sha256(), sha256()
    with Wheel(path, name, (3, 11)) as wheel, ZipFile(path) as archive:
        for info in archive.filelist:
            stream = wheel.stream(info)
            if stream is not None:
                packed.update(stream.raw)
                plain.update(stream.inflated())
    return path.read_bytes()


def print_table(results: Sequence[Result]) -> None:
    """Print seconds by row and way, and how many times faster ours is."""
    ours = results[0]
    rows = list(dict.fromkeys(row for result in results for row in result.seconds))
    width = max(map(len, rows))
    print()
    print(" " * width, *(f"{result.name:>34}" for result in results))
    for row in rows:
        cells = []
        for result in results:
            if row not in result.seconds:
                cells.append(f"{'-':>34}")
                continue
            seconds = statistics.median(result.seconds[row])
            text = f"{seconds:.2f} s"
            if row in result.pushed:
                text += f", {statistics.median(result.pushed[row]):.1f} MB new"
            if result is not ours and row in ours.seconds:
                text += f" ({seconds / statistics.median(ours.seconds[row]):.1f} times)"
            cells.append(f"{text:>34}")
        print(f"{row:<{width}}", *cells)
    print(f"Peak memory of ours, all processes together: {ours.memory:.0f} MB")


if __name__ == "__main__":
    main()
