"""How much one workspace may have: builds at once and in the queue, and for each build its time and disk.

The settings have the defaults; an administrator may give a workspace other limits.
"""

import threading
import time
from dataclasses import dataclass, replace

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from builds.images import Cancelled
from builds.models import WorkspaceLimits
from environments.models import Workspace, record


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


# The most that its column holds; no sensible limit comes near it.
FIELDS = {"at_once": 2**31 - 1, "queued": 2**31 - 1, "seconds": 2**31 - 1, "disk": 2**62}


@transaction.atomic
def set_limits(workspace: Workspace, by: User | None = None, /, **given: int | None) -> Limits:
    """Give a workspace limits of its own; None takes the default again. Raises ValueError with a sentence."""
    for name, value in given.items():
        if name not in FIELDS:
            raise ValueError(f"There is no limit {name}: there are {', '.join(FIELDS)}.")
        if value is not None and value <= 0:
            raise ValueError(f"The limit {name} must be a number above 0; {value} is not.")
        if value is not None and value > FIELDS[name]:
            raise ValueError(f"The limit {name} goes up to {FIELDS[name]}; {value} is more.")
    WorkspaceLimits.objects.get_or_create(workspace=workspace)
    row = WorkspaceLimits.objects.select_for_update().get(workspace=workspace)
    before = {name: getattr(row, name) for name, value in given.items() if getattr(row, name) != value}
    if before:
        for name in before:
            setattr(row, name, given[name])
        row.save(update_fields=list(before))
        after = {name: given[name] for name in before}
        record("workspace.limits", str(workspace), workspace=workspace, actor=by, before=before, after=after)
    return in_force(row)
