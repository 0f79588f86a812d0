"""Measure that eight times as much takes about eight times as long, and not 64 times."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

ENOUGH_SECONDS = 0.008
SMALL = 250
LINEAR = 24  # between the 8 of linear time and the 64 of quadratic time


def growth(run: Callable[[int], object], most: int = 256_000) -> float:
    """Return how much longer eight times as much takes: 8 if the time is linear, 64 if it is quadratic.

    The amount begins small and doubles until the time can be measured, or eight times as much would be more than `most`.
    What seems too long is measured again, twice: other work of the machine only adds to the time.
    """
    amount = SMALL
    while (taken := cpu(run, amount)) < ENOUGH_SECONDS and 16 * amount <= most:
        amount *= 2
    taken = min(taken, cpu(run, amount))
    longer = cpu(run, 8 * amount)
    for _ in range(2):
        if longer > LINEAR * taken:
            longer = min(longer, cpu(run, 8 * amount))
    return longer / max(taken, 1e-3)


def cpu(run: Callable[[int], object], amount: int) -> float:
    gc.disable()  # its time depends on all that the process holds
    try:
        before = time.thread_time()
        run(amount)
        return time.thread_time() - before
    finally:
        gc.enable()
