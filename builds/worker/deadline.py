"""A reporter for background work: it stops at a deadline, or when the worker stops."""

from __future__ import annotations

import time

from builds.imaging.reporting import Quiet
from builds.worker.budget import LimitExceeded
from builds.worker.reporter import StudioStopping, stopping


class DeadlineReporter(Quiet):
    """A silent reporter that raises LimitExceeded after a number of seconds; its message names what kind of server was awaited."""

    def __init__(self, seconds: float, server: str = "index") -> None:
        self._server = server
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def check(self) -> None:
        """Raise after the deadline, or when the studio is stopping."""
        if stopping.is_set():
            raise StudioStopping("The studio is stopping.")
        if time.monotonic() > self._deadline:
            raise LimitExceeded(
                "timeout", f"The {self._server} did not answer within {self._seconds:.0f} seconds.", ""
            )
