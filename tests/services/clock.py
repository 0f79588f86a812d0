"""A clock that a test sets for one process and its children, while the machine's own goes on: libfaketime."""

from __future__ import annotations

from pathlib import Path

LIBRARIES = Path("/usr/lib")

# Python sleeps until a time of the clock that only goes forward, and libfaketime 0.9.10 takes that for a time of
# the clock it has set. An event waits for as long, and is left alone.
SLEEP = """
import threading
import time

def sleep(seconds):
    threading.Event().wait(seconds)

time.sleep = sleep
"""


class Clock:
    """`settings` go into the environment of a process; what `set` says counts for it a second later.

    Time that only goes forward (what sleeps and leases are measured by) stays as it is, as when an operator
    or a time server sets the clock of a machine.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock.txt"
        (folder / "sitecustomize.py").write_text(SLEEP)
        self.set("+0")
        (library,) = LIBRARIES.glob("*/faketime/libfaketime.so.1")
        self.settings = {
            "LD_PRELOAD": str(library),
            "PYTHONPATH": str(folder),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds: else each look at the clock reads the file
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            # The fix is for a glibc before 2.32; with it each wait for Python's lock ends at once, and is tried again.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def set(self, offset: str) -> None:
        """Set it so far from the machine's: `+1h`, `-1h`, `+0`."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{offset}\n")
        draft.replace(self._file)  # nobody reads half of it
