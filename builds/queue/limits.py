"""A workspace's limits: builds at once and in the queue, and the time and disk space of each build.

The settings have the defaults; an administrator can set other limits for a workspace.
"""

from dataclasses import dataclass, replace

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from builds.models import WorkspaceLimits
from environments.audit.record import record
from environments.models import Workspace


@dataclass(frozen=True)
class Limits:
    """The limits in force for a workspace."""

    at_once: int
    queued: int
    seconds: int
    disk: int  # bytes that a build may add


def default_limits() -> Limits:
    """Return the limits from the settings."""
    return Limits(
        at_once=settings.LIMIT_AT_ONCE,
        queued=settings.LIMIT_QUEUED,
        seconds=settings.LIMIT_SECONDS,
        disk=settings.LIMIT_DISK_BYTES,
    )


def limits_of(workspace: Workspace) -> Limits:
    """Return a workspace's limits: the defaults, overridden by its own."""
    return effective_limits(WorkspaceLimits.objects.filter(workspace=workspace).first())


def effective_limits(own: WorkspaceLimits | None) -> Limits:
    """Return the defaults, overridden by a workspace's own limits."""
    return replace(default_limits(), **own.overrides()) if own is not None else default_limits()


# The columns hold no more; no sensible limit comes near.
MAXIMA = {"at_once": 2**31 - 1, "queued": 2**31 - 1, "seconds": 2**31 - 1, "disk": 2**62}


@transaction.atomic
def set_limits(workspace: Workspace, by: User | None = None, /, **values: int | None) -> Limits:
    """Set a workspace's own limits; None restores the default. Raises ValueError with a sentence."""
    for name, value in values.items():
        if name not in MAXIMA:
            raise ValueError(f"There is no limit {name}: there are {', '.join(MAXIMA)}.")
        if value is not None and value <= 0:
            raise ValueError(f"The limit {name} must be a number above 0; {value} is not.")
        if value is not None and value > MAXIMA[name]:
            raise ValueError(f"The limit {name} goes up to {MAXIMA[name]}; {value} is more.")
    WorkspaceLimits.objects.get_or_create(workspace=workspace)
    row = WorkspaceLimits.objects.select_for_update().get(workspace=workspace)
    before = {name: getattr(row, name) for name, value in values.items() if getattr(row, name) != value}
    if before:
        for name in before:
            setattr(row, name, values[name])
        row.save(update_fields=list(before))
        after = {name: values[name] for name in before}
        record("workspace.limits", str(workspace), workspace=workspace, actor=by, before=before, after=after)
    return effective_limits(row)
