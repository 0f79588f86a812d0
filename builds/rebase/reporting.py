"""The reporter of a rebase: it keeps the claim."""

from __future__ import annotations

import logging
import time

from django.conf import settings

from builds.imaging.reporting import Cancelled, Quiet
from builds.models import Rebase
from builds.queue import rebases
from builds.worker.reporter import StudioStopping, stopping

log = logging.getLogger(__name__)


class ClaimLost(Exception):
    """Another worker has the rebase now."""


class RebaseReporter(Quiet):
    """A reporter that sends heartbeats. Call it in the thread that has claimed the rebase."""

    def __init__(self, rebase: Rebase) -> None:
        self._rebase = rebase
        self._next_heartbeat = 0.0
        self._cancelled = False

    def line(self, text: str) -> None:
        """Write a line to the worker's log."""
        log.info("Rebase %s: %s", self._rebase.pk, text)

    def beat(self) -> None:
        """Send a heartbeat if it is due, in work that has to be completed. Raises ClaimLost."""
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + settings.HEARTBEAT_SECONDS
        cancelled = rebases.heartbeat(self._rebase)
        if cancelled is None:
            raise ClaimLost
        self._cancelled = cancelled

    def check(self) -> None:
        """Send a heartbeat if it is due. Raises StudioStopping, ClaimLost, Cancelled."""
        if stopping.is_set():
            raise StudioStopping("The studio is stopping.")
        self.beat()
        if self._cancelled:
            raise Cancelled("Cancelled.")
