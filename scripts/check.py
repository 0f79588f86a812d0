"""Run every quick check: `make check`. A line for each tool; what a failing one wrote is shown whole."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
PYTHON = sys.executable
TEMPLATES = sorted(Path("templates").rglob("*.html"))

# The slowest first, so that the others fit beside it.
CHECKS: dict[str, Sequence[str | Path]] = {
    "types": [BIN / "mypy"],
    "templates: lint": [BIN / "djlint", "--lint", "--quiet", "templates"],
    "templates: layout": [BIN / "djade", "--check", "--target-version", "5.2", *TEMPLATES],
    "templates: compile": [PYTHON, "-m", "scripts.templates"],
    "migrations": [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"],
    "settings": [PYTHON, "manage.py", "check", "--fail-level", "WARNING"],
    "arrows": [BIN / "lint-imports"],
    "lint": [BIN / "ruff", "check", "."],
    "lock": [BIN / "uv", "lock", "--check", "--default-index", "https://pypi.org/simple"],
    "layout": [BIN / "ruff", "format", "--check", "--output-format", "concise", "."],
    "glossary": [PYTHON, "-m", "scripts.glossary"],
    "wording": [PYTHON, "-m", "scripts.wording"],
    "sentences": [PYTHON, "-m", "scripts.sentences", "--check"],
    "structure": [PYTHON, "-m", "scripts.structure"],
}
# Checks whose output is shown when they pass, too.
FIGURES = ("structure", "glossary", "wording")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check."""

    name: str
    passed: bool
    seconds: float
    output: str


def run(name: str, argv: Sequence[str | Path], environment: Mapping[str, str]) -> Outcome:
    start = time.monotonic()
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        check=False,
    )
    return Outcome(name, done.returncode == 0, time.monotonic() - start, done.stdout)


def main() -> int:
    failed: list[Outcome] = []
    figures: list[str] = []
    # Django opens an empty database, not var/studio.sqlite3.
    with tempfile.TemporaryDirectory() as var, ThreadPoolExecutor(os.cpu_count()) as pool:
        environment = {**os.environ, "STUDIO_VAR": var}
        outcomes = [pool.submit(run, name, argv, environment) for name, argv in CHECKS.items()]
        for outcome in as_completed(outcomes):
            result = outcome.result()
            word = "ok" if result.passed else "FAILED"
            print(f"{word:6} {result.seconds:5.1f} s  {result.name}", flush=True)
            if not result.passed:
                failed.append(result)
            elif result.name in FIGURES:
                figures += result.output.splitlines()
    print(*figures, sep="\n")
    for result in failed:
        print(f"\n--- {result.name}: {' '.join(map(str, CHECKS[result.name]))}\n{result.output.rstrip()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
