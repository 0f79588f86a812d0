"""Ask whether a weakness of a locked library is known: `make audit`.

Ends with 0 where none is, 1 where there is one, 2 where nobody could be asked about all of them: that is no answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PIP_AUDIT = Path(sys.executable).parent / "pip-audit"
FILES = ("requirements.txt", "requirements-dev.txt")
SERVICES = ("pypi", "osv")

Found = dict[str, Any]


def main(arguments: Sequence[str] = ()) -> int:
    """Look each locked library up, in the files that are named or in the studio's own."""
    named = [one for one in arguments if not one.startswith("-")] or list(FILES)
    options = [one for one in arguments if one.startswith("-")]
    found, unknown, why = looked_up(named, options)
    for library in found:
        for weakness in library["vulns"]:
            fixed = ", ".join(weakness["fix_versions"]) or "no version yet"
            names = ", ".join([weakness["id"], *weakness["aliases"]])
            print(f"{library['name']} {library['version']}: {names}, fixed in {fixed}")
    if unknown:
        print(f"NOT CHECKED: {unknown} of the locked libraries. {why}", file=sys.stderr)
    if any(library["vulns"] for library in found):
        return 1
    if unknown:
        return 2
    print(f"No weakness is known of {len(found)} libraries.")
    return 0


def looked_up(files: Sequence[str], options: Sequence[str] = ()) -> tuple[list[Found], int, str]:
    """Return the libraries that a service knows with their weaknesses, how many it does not, and why."""
    told = []
    unknown, why = 0, ""
    for service in SERVICES:
        argv = [str(PIP_AUDIT), "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        argv += ["--vulnerability-service", service, "--timeout", "10", *options]
        for file in files:
            argv += ["--requirement", file]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        try:
            libraries: list[Found] = json.loads(done.stdout)["dependencies"]
        except ValueError:
            last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            unknown, why = unknown or locked(files), f"No advisory service could be asked: {last[:300]}"
            continue
        told = [library for library in libraries if "vulns" in library]
        unknown = len(libraries) - len(told)
        if not unknown:
            break
        why = str(next(library for library in libraries if "vulns" not in library)["skip_reason"])
    return told, unknown, why


def locked(files: Sequence[str]) -> int:
    """Return how many libraries are locked in these files."""
    lines = [line for file in files for line in Path(file).read_text().splitlines()]
    return len({line.split("==")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
