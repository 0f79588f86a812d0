"""Heal environments with real old packages: `python -m bench.patch.heal --advisories osv-pypi.zip [--environments 200]`.

Builds them on `host` from the package index, imports the advisories, and heals all that are affected, in this process
beside `--builders` threads, on SQLite. Needs the index, and a Docker Engine for the import tests (it starts its own;
`--untested` does without). Ends with an error if a version was saved whose import test failed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import django

from bench.builds.imaging.parts.engines import Engine


def main() -> None:
    """Print the seconds of each part, and what became of the environments."""
    options = argparse.ArgumentParser(prog="python -m bench.patch.heal", description=__doc__)
    options.add_argument("--advisories", type=Path, required=True, help="OSV's JSON, a folder or all.zip")
    options.add_argument("--environments", type=int, default=200)
    options.add_argument("--breaking", type=float, default=0.15, help="share whose fixed version breaks it")
    options.add_argument("--builders", type=int, default=2)
    options.add_argument("--untested", action="store_true", help="without a Docker Engine")
    args = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-heal-") as folder, ExitStack() as stack:
        os.environ |= {"STUDIO_VAR": f"{folder}/var", "DJANGO_SETTINGS_MODULE": "studio.settings"}
        os.environ |= {"STUDIO_DRIFT_DAYS": "0", "STUDIO_LIMIT_QUEUED": "100000"}
        if not args.untested:
            engine = Engine(Path(folder) / "docker", undo=Path(folder) / "undo")
            stack.callback(engine.stop)
            engine.start()
            os.environ["DOCKER_HOST"] = engine.host
        django.setup()
        from bench.patch.healing import run  # needs the settings

        run(args)


if __name__ == "__main__":
    main()
