"""Time of a resolution with and without a limit on uploads: `python -m bench.builds.imaging.upload_limits`.

An index of its own has two versions each of 60 packages that need one another; the newer versions are a day old. Both
kinds of solve alternate, with warm caches; the medians and their ratio are printed.
"""

from __future__ import annotations

import datetime as dt
import statistics
import tempfile
import time
from pathlib import Path

from builds.imaging.cutoffs.limits import NO_LIMITS, Limits
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop
from environments.definition.model import Cutoff
from tests.builds.imaging.making import empty_base, make_wheel
from tests.builds.imaging.serving import Index

PACKAGES, ROUNDS = 60, 7


def main() -> None:
    """Measure, and print the result."""
    now = dt.datetime.now(dt.UTC)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        index = filled(root / "index", now)
        workshop = Workshop(store=BlobStore(root / "store"), cache=root / "cache", index_url=index.url)
        kinds = {"plain": NO_LIMITS, "limited": Limits(Cutoff(newest="14 days"), Cutoff(), now)}
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        with index.server.running():
            for _ in range(ROUNDS + 1):
                for kind, limits in kinds.items():
                    began = time.monotonic()
                    resolve(empty_base(), ["p0"], workshop, Quiet(), limits=limits)
                    seconds[kind].append(time.monotonic() - began)
    plain, limited = (statistics.median(seconds[kind][1:]) for kind in kinds)
    print(f"plain {plain:.3f} s, limited {limited:.3f} s, ratio {limited / plain:.2f}")


def filled(folder: Path, now: dt.datetime) -> Index:
    """Return an index with two versions of each package."""
    index = Index(folder)
    for version, days in (("1.0", 300), ("2.0", 1)):
        for number in range(PACKAGES):
            needs = [f"p{number + 1}"] if number + 1 < PACKAGES else []
            wheel = make_wheel(folder, f"p{number}", version, needs=needs)
            index.uploaded[wheel.name] = (now - dt.timedelta(days=days)).isoformat()
    return index


if __name__ == "__main__":
    main()
