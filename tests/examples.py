"""Examples that property tests draw: few where all tests run, and `EXAMPLES=20 make test ARGS=…` times as many."""

from __future__ import annotations

import os


def examples(few: int) -> int:
    """Return the number of examples for a test that draws these few in each run of all tests."""
    return few * int(os.environ.get("EXAMPLES", "1"))
