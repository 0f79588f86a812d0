"""How long a worker may take its build for its own without a word from the database.

A database that restarts is away for some seconds. What a running build has to write waits for it in memory
and is tried again, until the others must have taken this worker for dead.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from builds.claims import ClaimLost

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

T = TypeVar("T")


class Lease:
    """One worker's time with one build. Every answer of the database renews it."""

    def __init__(self) -> None:
        self._heard = time.monotonic()  # no clock that somebody may set

    @property
    def over(self) -> bool:
        """Whether the database has been silent for so long that the build may be another worker's."""
        return bool(time.monotonic() - self._heard > settings.LOST_AFTER_SECONDS)

    def keep(self, work: Callable[[], T]) -> T:
        """Return what the work on the database returns, tried again while the database is away.

        The work may be done twice, when only its answer got lost. Raises ClaimLost when the lease is over.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                result = work()
            except (OperationalError, InterfaceError) as error:
                connection.close()  # the next try begins with a new one
                if self.over:
                    raise ClaimLost from error
                log.warning("The database does not answer (%s); it is asked again.", str(error).strip())
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self._heard = time.monotonic()
                return result
