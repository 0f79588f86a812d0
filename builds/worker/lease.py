"""A worker's lease on its build while the database is away.

A restarting database is away for some seconds. A running build keeps its writes in memory and retries them
until the lease has expired: by then another worker may have taken the build.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from builds.queue.claims import ClaimLost

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

T = TypeVar("T")


class Lease:
    """One worker's lease on one build, renewed by every answer of the database."""

    def __init__(self) -> None:
        self._renewed_at = time.monotonic()  # a wall clock may be set

    @property
    def expired(self) -> bool:
        """Whether the database has been silent for so long that another worker may have the build."""
        return bool(time.monotonic() - self._renewed_at > settings.LOST_AFTER_SECONDS)

    def run(self, work: Callable[[], T]) -> T:
        """Return the result of work on the database, retried while the database is away.

        The work runs twice if only its answer was lost. Raises ClaimLost once the lease has expired.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                result = work()
            except (OperationalError, InterfaceError) as error:
                connection.close()  # the next attempt reconnects
                if self.expired:
                    raise ClaimLost from error
                log.warning("The database does not answer (%s); retrying.", str(error).strip())
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self._renewed_at = time.monotonic()
                return result
