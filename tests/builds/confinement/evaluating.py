"""A module for the fork server: evaluates each line of its input, and prints what came of it."""

from __future__ import annotations

import os
import sys


def main() -> None:
    for line in sys.stdin:
        try:
            result = repr(eval(line, {"os": os, "sys": sys}))  # noqa: S307
        except Exception as error:
            result = type(error).__name__
        print(result, flush=True)
