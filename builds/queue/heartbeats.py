"""Detect workers whose heartbeats have stopped.

A heartbeat is compared with the previous one, never with a clock: after a clock is set, every living worker
would seem dead.
"""

import time
from collections.abc import Iterable
from typing import Generic, TypeVar

from django.conf import settings

from builds.models import Build, Rebase
from builds.models.trial import Trial

Row = TypeVar("Row", Build, Trial, Rebase)


class Heartbeats(Generic[Row]):
    """The last heartbeat of each claimed row, and how long it has not changed."""

    def __init__(self) -> None:
        self._since: dict[object, tuple[object, float]] = {}
        self._checked_at = time.monotonic()  # cannot be set, and advances while the process is halted

    def silent(self, rows: Iterable[Row]) -> list[Row]:
        """Return those of the running rows whose heartbeat has not changed for `STUDIO_LOST_AFTER_SECONDS`.

        A heartbeat is never silent at the first two checks. After a halt of this process, its machine or the
        database, the heartbeats of that time have yet to arrive: a late check counts for at most half a lease.
        """
        running = list(rows)
        now = time.monotonic()
        passed = min(now - self._checked_at, settings.LOST_AFTER_SECONDS / 2)
        self._checked_at = now
        before, self._since = self._since, {}
        for row in running:
            known, seconds = before.get(row.pk, (None, 0.0))
            beat = (row.claim, row.heartbeat_at)
            self._since[row.pk] = (beat, seconds + passed if known == beat else 0.0)
        return [row for row in running if self._since[row.pk][1] >= settings.LOST_AFTER_SECONDS]


def lock_unchanged(seen: Row) -> Row | None:
    """Lock and return the row; return None if its worker has sent a heartbeat since it was read.

    Call it in a transaction.
    """
    rows = type(seen).objects.select_for_update()
    now = rows.filter(pk=seen.pk, state=seen.state, claim=seen.claim).first()
    # Compared here, as SQLite stores its own times and Django's in different formats.
    return now if now is not None and now.heartbeat_at == seen.heartbeat_at else None
