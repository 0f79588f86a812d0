"""Measure what the import test adds to a cold build: `DOCKER_HOST=… python -m bench.builds.import_test numpy requests`.

The image is made on the `host` base with empty caches; everything comes from the package index. CPU is that of the
worker with its children; the engine's own CPU is not in it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import django

T = TypeVar("T")


def timed(name: str, work: Callable[[], T]) -> T:
    """Do some work, and print its wall and CPU seconds."""
    began, cpu = time.monotonic(), sum(os.times()[:4])
    result = work()
    print(f"{name:<8} {time.monotonic() - began:6.2f} s, CPU {sum(os.times()[:4]) - cpu:6.2f} s")
    return result


def main(packages: list[str]) -> None:
    """Build an image of these packages, load it into the engine, and import them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    os.environ.setdefault("STUDIO_VAR", tempfile.mkdtemp(prefix="bench-import-"))
    django.setup()
    from builds.engine.trials.importing import imported_in
    from builds.engine.trials.loading import loaded
    from builds.imaging.assemble import ImageSettings, assemble
    from builds.imaging.bases.find import find_base
    from builds.imaging.download.fetch import fetch
    from builds.imaging.oci.store import BlobStore
    from builds.imaging.pip.resolve import resolve
    from builds.imaging.reporting import Quiet
    from builds.imaging.workshop import Workshop

    quiet = Quiet()
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(store=BlobStore(Path(folder, "store")), cache=Path(folder, "cache"))
        base = timed("base", lambda: find_base("host", shop, quiet))
        lock = timed("resolve", lambda: resolve(base, packages, shop, quiet))
        files = timed("fetch", lambda: fetch(lock, shop, quiet))
        image = timed("assemble", lambda: assemble(base, lock, files, ImageSettings(), shop, quiet))
        print(f"         {image.size / 1e6:.1f} MB, {len(lock.packages)} packages")
        block = loaded(image.digest, shop.store, quiet)
        started = timed("load", block.__enter__)
        try:
            names = sorted(lock.requested)
            outcome = timed("import", lambda: imported_in(started, "/opt/env/bin/python", names, quiet))
        finally:
            timed("remove", lambda: block.__exit__(None, None, None))
        print(f"         {outcome.modules} modules, {len(outcome.problems)} failed")


if __name__ == "__main__":
    main(sys.argv[1:] or ["numpy", "requests"])
