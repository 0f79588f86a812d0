"""Measure the layout of the code and hold its limits: `python -m scripts.structure`.

Prints the largest folder, the longest file and the share of long template lines, and fails past a limit.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

MODULES_PER_FOLDER = 15
LINES_PER_FILE = 400
TEMPLATE_COLUMNS = 200


def tracked(pattern: str) -> list[Path]:
    """Return the project's files that match a Git pattern, without generated ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", pattern],
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [Path(line) for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file() and "migrations" not in path.parts]


def folders(modules: list[Path]) -> Counter[str]:
    """Return how many modules each folder has; `__init__.py` is the folder itself.

    Django looks for every command of an app in one folder, so that folder has no limit.
    """
    parents = (path.parent for path in modules if path.name != "__init__.py")
    return Counter(str(folder) for folder in parents if folder.parts[-2:] != ("management", "commands"))


def lines(paths: list[Path]) -> Counter[str]:
    """Return how many lines each file has."""
    return Counter({str(path): len(path.read_text().splitlines()) for path in paths})


def long_lines(templates: list[Path]) -> tuple[list[str], int]:
    """Return where template lines exceed the limit, and how many lines there are in all."""
    total, long = 0, []
    for path in templates:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            total += 1
            if len(line) > TEMPLATE_COLUMNS:
                long.append(f"{path}:{number}: {len(line)} characters")
    return long, total


def main() -> int:
    modules = tracked("*.py")
    sizes, lengths = folders(modules), lines(modules)
    long, total = long_lines(tracked("templates/*.html"))
    folder, most = sizes.most_common(1)[0]
    file, longest = lengths.most_common(1)[0]
    print(f"most modules in a folder: {most} ({folder}); at most {MODULES_PER_FOLDER}")
    print(f"longest file: {longest} lines ({file}); at most {LINES_PER_FILE}")
    print(
        f"template lines over {TEMPLATE_COLUMNS} characters: {len(long)} of {total} ({len(long) / total:.1%})"
    )
    faults = [f"{name}: {count} modules" for name, count in sizes.items() if count > MODULES_PER_FOLDER]
    faults += [f"{name}: {count} lines" for name, count in lengths.items() if count > LINES_PER_FILE]
    faults += long
    print(*sorted(faults), sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
