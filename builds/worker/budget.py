"""The time and disk space available to an attempt of a build."""

import threading
import time

from builds.imaging.reporting import Cancelled
from builds.imaging.sizes import size_text
from builds.queue.limits import Limits


class LimitExceeded(Cancelled):
    """The build has exceeded a limit and ends as failed; imaging lets it through like a cancellation."""

    def __init__(self, code: str, message: str, help: str) -> None:
        super().__init__(message)
        self.code = code
        self.help = help


class Budget:
    """One attempt's time and disk space, shared by its threads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._deadline = time.monotonic() + limits.seconds  # a wall clock may be set
        self._written = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise LimitExceeded if the build has taken too long or written too much."""
        if time.monotonic() > self._deadline:
            raise LimitExceeded(
                "timeout",
                f"The build was stopped after {self.limits.seconds} seconds, the most that a build of this "
                "workspace may take.",
                "Look at the step that took so long. If it needs that time, ask an administrator for more.",
            )
        if self._written > self.limits.disk:
            raise self._disk_limit_exceeded()

    def reserve_disk(self, size: int) -> None:
        """Count bytes that the build adds to the store or the cache; raise LimitExceeded if there are too many."""
        with self._lock:
            self._written += size
        if self._written > self.limits.disk:
            raise self._disk_limit_exceeded()

    def _disk_limit_exceeded(self) -> LimitExceeded:
        return LimitExceeded(
            "disk-limit",
            f"The build was stopped when it had written more than {size_text(self.limits.disk)}, the most that a "
            "build of this workspace may add to the studio's disk.",
            "Use fewer or smaller packages, or a smaller base image. If it needs this much, ask an admin to "
            "raise the limit.",
        )
