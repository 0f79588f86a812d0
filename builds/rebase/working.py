"""A worker's rebases: one at a time, beside its builds."""

from __future__ import annotations

import threading

from builds.queue import rebases
from builds.rebase.proof import attest_rebased
from builds.rebase.running import run_claimed
from builds.worker.reporter import stopping

_working = threading.Lock()


def run_waiting_rebases() -> None:
    """Plan and run rebases until none waits; return at once if another thread of this worker does."""
    if not _working.acquire(blocking=False):
        return
    try:
        while not stopping.is_set() and (rebase := rebases.claim_next()) is not None:
            run_claimed(rebase)
            attest_rebased()
    finally:
        _working.release()
