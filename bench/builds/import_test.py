"""Measure what the import test adds to a build: `python -m bench.builds.import_test [--engine HOST] [--containerd]`.

Three images on the `host` base are made and tested one after the other: the first on its base, the next with one package more,
and the healed first one, with one package up. This is done twice: with tested images kept in the engine, and without,
when each image is loaded in full. Packages come from the package index. Without `--engine` it starts one;
`--containerd` takes Debian 13's, which it fetches once, with containerd's store. CPU is that of the worker with
its children; the engine's own CPU is not in it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import django

from bench.builds.imaging.parts.engines import Engine, NewEngine
from tests.services.debian.engine import new_engine

if TYPE_CHECKING:
    from builds.imaging.lock import Lock
    from builds.imaging.workshop import Workshop

CACHE = Path.home() / ".cache" / "environment-studio-bench"
FIRST = ("numpy==1.26.4", "pandas==2.2.2", "requests==2.31.0", "jinja2==3.1.2", "sqlalchemy==2.0.4", "rich")


def main() -> None:
    """Print the seconds of the build and of the parts of its test, for each image."""
    options = argparse.ArgumentParser(prog="python -m bench.builds.import_test", description=__doc__)
    options.add_argument("--engine", default="", help="its address, as DOCKER_HOST has it")
    options.add_argument("--containerd", action="store_true")
    args = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-import-") as folder, ExitStack() as stack:
        host = args.engine
        if not host:
            parts = Path(folder, "docker"), Path(folder, "undo")
            engine = (
                NewEngine(*parts, new_engine(CACHE), containerd=True) if args.containerd else Engine(*parts)
            )
            stack.callback(engine.stop)
            engine.start()
            host = engine.host
        os.environ |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_VAR": f"{folder}/var"}
        os.environ["DOCKER_HOST"] = host
        django.setup()
        run(Path(folder))


def run(folder: Path) -> None:
    """Make and test the images, in turns without and with kept images."""
    from django.conf import settings

    from builds.imaging.oci.store import BlobStore
    from builds.imaging.workshop import Workshop

    shop = Workshop(store=BlobStore(folder / "store"), cache=folder / "cache")
    healed = tuple(line.replace("jinja2==3.1.2", "jinja2==3.1.6") for line in FIRST)
    images = {"first": FIRST, "next": (*FIRST, "click==8.1.3"), "healed": healed}
    for room, title in ((0, "loaded in full"), (10 * 1024**3, "tested images kept")):
        settings.TESTED_IMAGES = room
        print(title, flush=True)
        previous = None
        for name, requirements in images.items():
            made = measured(name, requirements, shop, previous)
            previous = previous or made


def measured(name: str, requirements: tuple[str, ...], shop: Workshop, previous: Lock | None) -> Lock:
    """Make an image and test it; print the seconds of each part, and return its lock."""
    from builds.engine.trials.importing import imported_in
    from builds.engine.trials.loading import loaded
    from builds.imaging.assemble import ImageSettings, assemble
    from builds.imaging.bases.find import find_base
    from builds.imaging.download.fetch import fetch
    from builds.imaging.pip.resolve import resolve
    from builds.imaging.reporting import Quiet

    quiet = Quiet()
    clock, cpu = [time.monotonic()], sum(os.times()[:4])
    base = find_base("host", shop, quiet)
    lock = resolve(base, requirements, shop, quiet, previous=previous)
    image = assemble(base, lock, fetch(lock, shop, quiet), ImageSettings(), shop, quiet)
    clock.append(time.monotonic())
    built_cpu = sum(os.times()[:4])
    with loaded(image.digest, shop.store, quiet) as started:
        clock.append(time.monotonic())
        outcome = imported_in(started, "/opt/env/bin/python", sorted(lock.requested), quiet)
        clock.append(time.monotonic())
    clock.append(time.monotonic())
    build, load, imports, clean_up = (after - before for before, after in itertools.pairwise(clock))
    layers = json.loads(shop.store.read(image.digest))["layers"]
    print(
        f"  {name:<7} {image.size / 1e6:6.1f} MB, {len(layers)} layers; build {build:5.2f} s"
        f" (CPU {built_cpu - cpu:5.2f}); test {load + imports + clean_up:5.2f} s"
        f" (CPU {sum(os.times()[:4]) - built_cpu:5.2f}): load {load:5.2f}, import {imports:5.2f},"
        f" clean-up {clean_up:5.2f}; {outcome.modules} modules, {len(outcome.problems)} failed",
        flush=True,
    )
    return lock


if __name__ == "__main__":
    main()
