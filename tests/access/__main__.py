"""Print the access table and its size: `python -m tests.access`."""

from __future__ import annotations

import os
from collections import Counter

import django


def main() -> None:
    """Print a line for each address and method, and how many questions that makes."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    # URL patterns can be read only now.
    from tests.access.asking import cells, expected
    from tests.access.expected import EXPECTED

    for route, methods in EXPECTED.items():
        for method, least in methods.items():
            print(f"{method:6} /{route}  {least}")
    table = cells()
    tally = Counter(expected(cell) for cell in table)
    print(f"{len(table)} cells: " + ", ".join(f"{count} {answer}" for answer, count in tally.most_common()))


if __name__ == "__main__":
    main()
