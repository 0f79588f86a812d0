"""Imports in a container on a Python that the worker lacks, beside pip's image: `python -m bench.builds.imaging.other_python`.

The base has Debian 13's Python 3.13. Needs a Docker Engine and docker-registry, and starts its own.
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
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import django

from bench.builds.imaging.changes import SIZES, import_script
from bench.builds.imaging.parts.debian_python import CERTIFICATES, MINOR, debian_base, debian_python
from bench.builds.imaging.parts.engines import Engine
from bench.builds.imaging.ways import PIP
from builds.engine.base_python import compiling_on
from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.model import Base
from builds.imaging.bytecode.providers import find_interpreter
from builds.imaging.download.fetch import fetch
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.publish.push import push
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from tests.services.servers.registry import Registry

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "environment-studio-bench"
VARIABLES = {"SSL_CERT_FILE": CERTIFICATES, "PIP_CERT": CERTIFICATES, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def main() -> None:
    """Build both images, import in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="M", help="which environment (default M)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is started")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where Debian's packages are kept")
    payload = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    django.setup()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="bench-python-", dir="/tmp") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        stack.callback(undo, folder / "undo")
        registry = Registry(folder / "registry")
        engine = Engine(folder / "docker", undo=folder / "undo")
        for service in (registry, engine):
            stack.callback(service.stop)
            service.start()
        workshop = Workshop(store=BlobStore(folder / "store"), cache=folder / "cache")
        base = debian_base(f"{registry.address}/bench/debian:1", debian_python(payload.cache), workshop)
        names = SIZES[payload.size]
        provider, ours, pinned = build_ours(base, names, workshop, registry, engine)
        theirs = build_theirs(base, pinned, workshop, registry, engine, folder / "context")
        seconds: dict[str, list[float]] = {ours: [], theirs: []}
        for _ in range(payload.rounds):
            for image, times in seconds.items():
                times.append(imported(image, names, engine))
        mine, pips = (statistics.median(seconds[image]) for image in (ours, theirs))
        print(
            f"Python {MINOR[0]}.{MINOR[1]}, {payload.size}, compiled by {provider}: {payload.rounds} rounds"
        )
        print(f"imports: ours {mine:.2f} s of CPU, pip {pips:.2f} s: {mine / pips:.2f} times")


def build_ours(
    base: Base, names: Sequence[str], workshop: Workshop, registry: Registry, engine: Engine
) -> tuple[str, str, list[str]]:
    """Return the provider of the bytecode, the name of our image, and its packages as pinned requirements."""
    with compiling_on(base, workshop, docker_host=engine.host) as workshop:
        interpreter = find_interpreter(MINOR, workshop, Quiet())
        lock = resolve(base, names, workshop, Quiet())
        image = assemble(base, lock, fetch(lock, workshop, Quiet()), ImageSettings(), workshop, Quiet())
    name = f"{registry.address}/bench/ours:1"
    push(image.descriptor, name, workshop, Quiet())
    pinned = [f"{package.name}=={package.version}" for package in lock.packages]
    return str(interpreter), name, pinned


def build_theirs(
    base: Base,
    pinned: Sequence[str],
    workshop: Workshop,
    registry: Registry,
    engine: Engine,
    context: Path,
) -> str:
    """Return the name of the image that pip makes of the same packages, on the same base with pip."""
    tools = resolve(base, ["pip"], workshop, Quiet())
    wheels = fetch(tools, workshop, Quiet())
    image = assemble(base, tools, wheels, ImageSettings(variables=VARIABLES), workshop, Quiet())
    push(image.descriptor, f"{registry.address}/bench/pip:1", workshop, Quiet())
    context.mkdir()
    (context / "requirements.txt").write_text("\n".join(pinned))
    (context / "Dockerfile").write_text(
        f"FROM {registry.address}/bench/pip:1\nCOPY requirements.txt .\n{PIP}\n"
    )
    engine.docker("build", "--network", "host", "--tag", "bench/theirs", str(context))
    return "bench/theirs"


def imported(image: str, names: list[str], engine: Engine) -> float:
    """Return the seconds of CPU that a new container takes to import the packages: other work does not count."""
    script = import_script(names).replace("perf_counter", "process_time")
    return float(engine.docker("run", "--rm", "--network", "none", image, "python", "-c", script))


def undo(file: Path) -> None:
    """Take back what the engine's network needed."""
    for line in reversed(file.read_text().splitlines() if file.exists() else []):
        subprocess.run(json.loads(line), check=False)


if __name__ == "__main__":
    main()
