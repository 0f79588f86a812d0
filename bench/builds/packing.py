"""The cost of packing in folders of their own: `python -m bench.builds.packing [--packages pandas scikit-learn]`.

Each wheel is packed as a packer does it, then taken over from its folder as a worker does it, and then, side by side, put
into the store as without a folder of its own: its digest and a rename. CPU and wall of all wheels, the least of ROUNDS.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from builds.imaging.bases.find import find_base
from builds.imaging.download.fetch import fetch
from builds.imaging.files import WheelFile
from builds.imaging.oci.store import BlobStore
from builds.imaging.packing.segment import Packer
from builds.imaging.packing.segments import Segments
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import Quiet
from builds.imaging.workshop import Workshop

ROUNDS = 3
ALONE_BYTES = 2_000_000  # larger packages get layers of their own
PACK, TAKE_OVER, DIRECT = "packed", "taken over", "put into the store without a folder"
Spent = dict[str, tuple[float, float]]


def main() -> None:
    """Measure, and print one line for each part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--packages", nargs="+", default=["pandas", "scikit-learn", "matplotlib"])
    packages = parser.parse_args().packages
    with tempfile.TemporaryDirectory(prefix="packing-", dir="/tmp") as name:
        workshop = Workshop(store=BlobStore(Path(name) / "store"), cache=Path(name) / "cache")
        base = find_base("host", workshop, Quiet())
        wheels = fetch(resolve(base, packages, workshop, Quiet()), workshop, Quiet()).wheels
        rounds = [measured(wheels, base.probe.minor, workshop, Path(name) / str(n)) for n in range(ROUNDS)]
    size = sum(wheel.size for wheel in wheels)
    print(f"{len(wheels)} wheels, {size / 1e6:.0f} MB, {ROUNDS} rounds")
    least = {part: min(each[part] for each in rounds) for part in rounds[0]}
    for part, (cpu, wall) in least.items():
        print(
            f"{part:38} CPU {1000 * cpu:8.1f} ms, wall {1000 * wall:8.1f} ms, {cpu / least[PACK][0]:7.1%} of packing"
        )


def measured(
    wheels: tuple[WheelFile, ...], python: tuple[int, int], workshop: Workshop, folder: Path
) -> Spent:
    """Return CPU and wall of each part for all wheels, in a new store."""
    workshop = replace(workshop, store=BlobStore(folder / "store"), cache=folder / "cache")
    segments, packer = Segments(workshop, python), Packer(python, workshop.compression)
    direct = folder / "direct"
    direct.mkdir(parents=True)
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    @contextmanager
    def timed(part: str) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        spent[part][0] += time.process_time() - cpu
        spent[part][1] += time.perf_counter() - wall

    own = workshop.store.staging()
    for number, wheel in enumerate(wheels):
        alone = wheel.size >= ALONE_BYTES
        with timed(PACK):
            packed = packer.pack(wheel, own / "out", alone=alone)
        copy = direct / f"{number}.new"
        copy.write_bytes((own / "out").read_bytes())
        with timed(DIRECT):
            with copy.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest() if alone else str(number)
            copy.rename(direct / digest)
        with timed(TAKE_OVER):
            segments.keep(wheel, packed, own / "out", alone=alone)
    return {part: (cpu, wall) for part, (cpu, wall) in spent.items()}


if __name__ == "__main__":
    main()
