"""Which workers have gone silent, as one process sees it from look to look.

A heartbeat is compared with the one before, never with a clock: a clock may be set, in the middle of a look
too, and then every living worker would seem dead.
"""

import time
from collections.abc import Iterable
from typing import Generic, TypeVar

from django.conf import settings

from builds.models import Build
from builds.trial_models import Trial

Row = TypeVar("Row", Build, Trial)


class Heartbeats(Generic[Row]):
    """The last heartbeat of each row that a worker holds, and for how long it has been the last."""

    def __init__(self) -> None:
        self._since: dict[object, tuple[object, float]] = {}
        self._looked_at = time.monotonic()  # which nobody sets, and which goes on while a process is halted

    def silent(self, rows: Iterable[Row]) -> list[Row]:
        """Return those whose heartbeat is the same as `STUDIO_LOST_AFTER_SECONDS` ago, given what runs now.

        The first look at a heartbeat never finds it old, nor does the next. When this process, its machine or
        the database was halted, the heartbeats of that time are only now on their way: so a look that comes
        late counts for half a lease at most.
        """
        running = list(rows)
        now = time.monotonic()
        passed = min(now - self._looked_at, settings.LOST_AFTER_SECONDS / 2)
        self._looked_at = now
        before, self._since = self._since, {}
        for row in running:
            known, seconds = before.get(row.pk, (None, 0.0))
            beat = (row.claim, row.heartbeat_at)
            self._since[row.pk] = (beat, seconds + passed if known == beat else 0.0)
        return [row for row in running if self._since[row.pk][1] >= settings.LOST_AFTER_SECONDS]


def locked(seen: Row) -> Row | None:
    """Return the row as it is now, locked; None where its worker has been heard of since it was seen so.

    To be called in a transaction.
    """
    rows = type(seen).objects.select_for_update()
    now = rows.filter(pk=seen.pk, state=seen.state, claim=seen.claim).first()
    # Compared here: SQLite keeps its own times and Django's in two spellings.
    return now if now is not None and now.heartbeat_at == seen.heartbeat_at else None
