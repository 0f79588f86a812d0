"""`make bench`: all measurements, one after the other."""

import runpy
import sys

PARTS = [
    "bench.environments.definition",
    "bench.studio",
    "bench.studio.drafts",
    "bench.builds.distribution",
    "bench.builds.packing",
    "bench.builds.imaging",
    "bench.builds.imaging.other_python",
    "bench.builds.imaging.compressions",
    "bench.builds.imaging.platforms",
    "bench.builds.imaging.pull_costs",
]

if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    for part in PARTS:
        print(f"\n{part}: python -m {part}\n", flush=True)
        runpy.run_module(part, run_name="__main__")
