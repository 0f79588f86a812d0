"""How much one workspace may have: builds at once and in the queue, and for each build its time and disk.

The settings have the defaults; an administrator may give a workspace other limits.
"""

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from builds.images import Cancelled
from builds.models import WorkspaceLimits
from environments.models import Workspace


@dataclass(frozen=True)
class Limits:
    """What counts for a workspace now."""

    at_once: int
    queued: int
    seconds: int
    disk: int  # bytes that a build may add


def defaults() -> Limits:
    """Return what counts where no administrator said otherwise."""
    return Limits(
        at_once=settings.LIMIT_AT_ONCE,
        queued=settings.LIMIT_QUEUED,
        seconds=settings.LIMIT_SECONDS,
        disk=settings.LIMIT_DISK_BYTES,
    )


def limits_of(workspace: Workspace) -> Limits:
    """Return a workspace's limits: its own where it has some, else the defaults."""
    return in_force(WorkspaceLimits.objects.filter(workspace=workspace).first())


def in_force(own: WorkspaceLimits | None) -> Limits:
    """Return the defaults with a workspace's own limits over them."""
    return replace(defaults(), **own.given()) if own is not None else defaults()


class OverLimit(Cancelled):
    """The build has used up what it may: it ends as failed, and everything lets this through as a cancel."""

    def __init__(self, code: str, message: str, help: str) -> None:
        super().__init__(message)
        self.code = code
        self.help = help


class Bounds:
    """One attempt's time and disk. Threads may share it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._until = time.monotonic() + limits.seconds  # no clock that somebody may set
        self._written = 0
        self._guard = threading.Lock()

    def check(self) -> None:
        """Raise when the build has taken too long, or has written too much."""
        if time.monotonic() > self._until:
            raise OverLimit(
                "timeout",
                f"The build was stopped after {self.limits.seconds} seconds, the most that a build of this "
                "workspace may take.",
                "Look at the step that took so long. If it needs that time, ask an administrator for more.",
            )
        if self._written > self.limits.disk:
            raise self._too_much()

    def spend(self, size: int) -> None:
        """Count bytes that the build adds to the store or the cache; raise when it is too many."""
        with self._guard:
            self._written += size
        if self._written > self.limits.disk:
            raise self._too_much()

    def _too_much(self) -> OverLimit:
        return OverLimit(
            "disk-limit",
            f"The build was stopped when it had written more than {in_units(self.limits.disk)}, the most that a "
            "build of this workspace may add to the studio's disk.",
            "Ask for fewer or smaller packages, or take a smaller base image. If it needs that much, ask an "
            "administrator for more.",
        )


def in_units(size: int) -> str:
    """Return a size for people: `1.5 GB`."""
    for unit, bytes_of in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_of:
            return f"{size / bytes_of:.3g} {unit}"
    return f"{size} bytes"


FIELDS = ("at_once", "queued", "seconds", "disk")


def set_limits(workspace: Workspace, **given: int | None) -> Limits:
    """Give a workspace limits of its own; None takes the default again. Raises ValueError with a sentence."""
    for name, value in given.items():
        if name not in FIELDS:
            raise ValueError(f"There is no limit {name}: there are {', '.join(FIELDS)}.")
        if value is not None and not 0 < value < 2**62:
            raise ValueError(f"The limit {name} must be a number above 0; {value} is not.")
    values: dict[str, Any] = dict(given)
    WorkspaceLimits.objects.update_or_create(workspace=workspace, defaults=values)
    return limits_of(workspace)
