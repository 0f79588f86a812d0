"""`make bench-patch`: exposure with 50,000 images, rebase of 1,000, and healing of 200 environments, one after the other.

Healing needs advisories in OSV's format, such as its all.zip for PyPI: `--advisories FILE`. Without, it is left out.
"""

import argparse
import subprocess
import sys

PARTS = (
    ["bench.builds.exposure"],
    ["bench.builds.rebase", "--images", "1000"],
    ["bench.builds.policies"],
    ["bench.patch.heal"],
)


def main() -> None:
    """Run each in a process of its own, and exit with the worst."""
    options = argparse.ArgumentParser(prog="python -m bench.patch", description=__doc__)
    options.add_argument("--advisories", help="OSV's JSON, a folder or all.zip")
    advisories = options.parse_args().advisories
    worst = 0
    for module, *arguments in PARTS:
        if module == "bench.patch.heal":
            if not advisories:
                print("\nbench.patch.heal: left out, as it needs --advisories.", flush=True)
                continue
            arguments += ["--advisories", advisories]
        print(f"\n{module}: python -m {module} {' '.join(arguments)}\n", flush=True)
        worst = max(worst, subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode)
    sys.exit(worst)


if __name__ == "__main__":
    main()
