"""From definition to image in the registry, beside Dockerfiles: `python -m bench.builds.imaging [--size M] [--rounds 1]`.

Needs a Docker Engine and docker-registry, and starts its own; the newer engine of Debian 13 is fetched from
Debian and unpacked into a cache folder. Everything is measured in one run, side by side, because machines
differ; with several rounds medians are printed, and the ways take turns in being first.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.builds.imaging.changes import COLD, ROWS, SIZES, TORCH
from bench.builds.imaging.parts.engines import Engine, NewEngine
from bench.builds.imaging.parts.local_wheels import has, index_of
from bench.builds.imaging.results import Result, table, write_json
from bench.builds.imaging.rounds import Run, measure_round, pulls
from bench.builds.imaging.ways import PIP, PLAIN, UV, UV_PLAIN, Dockerfile, Ours, Way
from bench.studio.__main__ import hits_of_a_new_studio
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.download.fetch import fetch
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.services.debian.engine import new_engine
from tests.services.debian.packages import Unavailable
from tests.services.servers.registry import Registry

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
VARIABLES = {"SSL_CERT_FILE": CERTIFICATES, "PIP_CERT": CERTIFICATES, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "environment-studio-bench"
WAYS = ["pip", "uv", "new-uv", "zstd"]
NAMES = {
    "pip": "Dockerfile + pip",
    "uv": "Dockerfile + uv",
    "new-uv": "uv, engine 26",
    "zstd": "uv, engine 26, zstd",
}


def main() -> None:
    """Measure, and print the table."""
    payload = options()
    # Ended from outside, it still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Not under a folder in memory: images are large.
    with tempfile.TemporaryDirectory(prefix="bench-images-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        with prepared(Path(name), payload) as run:
            try:
                for number in range(payload.rounds):
                    print(f"round {number + 1} of {payload.rounds}", flush=True)
                    measure_round(run, number)
                    if not payload.no_pulls:
                        pulls(run)
                if not payload.no_studio:
                    hits = hits_of_a_new_studio(run.folder / "studio")
                    run.ours.result.add("identical, POST to ready", statistics.median(hits))
            finally:
                # Also where it was broken off: what was measured till then took long enough.
                show(run, payload)


def show(run: Run, payload: argparse.Namespace) -> None:
    """Print the table, and write the requested file."""
    results = [*(way.result for way in run.ways), run.floor]
    print(f"\n{payload.size}: {len(run.packages)} packages requested; medians of {payload.rounds}\n")
    print(table(results), flush=True)
    if payload.json:
        write_json(results, {name: str(value) for name, value in vars(payload).items()}, payload.json)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="M", help="which environment (default M)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds, of which medians are printed")
    parser.add_argument("--rows", nargs="*", default=ROWS, choices=ROWS, help="which changes (default all)")
    parser.add_argument(
        "--ways", nargs="*", default=["pip", "zstd"], choices=WAYS, help="beside which (default pip and zstd)"
    )
    parser.add_argument(
        "--wheels", type=Path, help="a folder of wheels that every way may take, such as torch's"
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="where Debian 13's engine is kept")
    parser.add_argument("--json", type=Path, help="a file for every single measurement")
    parser.add_argument("--no-studio", action="store_true", help="leave the answer of a whole studio out")
    parser.add_argument("--no-pulls", action="store_true", help="leave `docker pull` and the imports out")
    args = parser.parse_args()
    if COLD not in args.rows:
        args.rows = [COLD, *args.rows]
    return args


@contextmanager
def prepared(folder: Path, payload: argparse.Namespace) -> Iterator[Run]:
    """Run a registry and engines of our own, with the base in the registry, and undo all of it."""
    registry = Registry(folder / "registry")
    engine = Engine(folder / "docker", undo=folder / "undo")
    services: list[Registry | Engine] = [registry, engine]
    try:
        for service in services:
            service.start()
        others: list[Dockerfile] = []
        plain: list[Way] = []
        for way in payload.ways:
            used = engine if way in ("pip", "uv") else _new(folder, way, payload.cache)
            if used is None:
                continue
            if used is not engine:
                services.append(used)
                used.start()
            step = PIP if way == "pip" else UV
            result = Result(NAMES[way])
            others.append(Dockerfile(way, registry, result, used, step, zstd=way == "zstd"))
            if way == "zstd":
                plain.append(
                    Dockerfile("zstd-plain", registry, result, used, UV_PLAIN, zstd=True, suffix=PLAIN)
                )
        with index_of(payload.wheels, folder / "index") as index:
            packages = pinned(folder, registry, wanted(payload), index)
            ours = Ours("ours", registry, Result("ours"))
            plain.insert(0, Ours("ours-plain", registry, ours.result, "none", suffix=PLAIN))
            yield Run(
                folder, registry, engine, ours, others, payload.size, payload.rows, index, packages, plain
            )
    finally:
        for service in reversed(services):
            service.stop()
        undo = folder / "undo"
        for line in reversed(undo.read_text().splitlines() if undo.exists() else []):
            subprocess.run(json.loads(line), check=False)


def _new(folder: Path, way: str, cache: Path) -> Engine | None:
    try:
        unpacked = new_engine(cache)
    except Unavailable as error:
        print(f"{NAMES[way]} is left out: {error}", flush=True)
        return None
    return NewEngine(folder / f"docker-{way}", folder / "undo", unpacked, containerd=way == "zstd")


def wanted(payload: argparse.Namespace) -> list[str]:
    """Return the names of the packages of a size; torch only where a wheel of it is at hand."""
    names = list(SIZES[payload.size])
    if payload.size == "L":
        if has(payload.wheels, TORCH):
            names.append(TORCH)
        else:
            print(
                "torch is left out: PyPI's brings gigabytes of CUDA. Give --wheels a folder with one for CPUs"
            )
    return names


def pinned(folder: Path, registry: Registry, names: Sequence[str], index: Sequence[str]) -> list[str]:
    """Return the requirements, pinned for every way alike; and push the base that Dockerfiles begin with."""
    workshop = Workshop(store=BlobStore(folder / "base/store"), cache=folder / "base/cache")
    base = find_base("host", workshop, Quiet())
    lock = resolve(base, [*index, *names], workshop, Quiet())
    tools = resolve(base, ["pip", "uv"], workshop, Quiet())
    wheels = fetch(tools, workshop, Quiet())
    image = assemble(base, tools, wheels, ImageSettings(variables=VARIABLES), workshop, Quiet())
    push(image.descriptor, f"{registry.address}/bench/base:1", workshop, Quiet())
    return [f"{package.name}=={package.version}" for package in lock.packages if package.requested]


if __name__ == "__main__":
    main()
