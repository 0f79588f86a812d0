"""A worker's duties beside building: heartbeat, counters, mails and webhooks."""

import logging
import threading
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from builds.worker.runner import worker_name
from environments.notifications import threads
from studio.operations import tallies, workers

log = logging.getLogger(__name__)

_ending = threading.Event()
_saying = threading.Lock()


@worker_ready.connect
def say_hello(**_: Any) -> None:
    """Start the threads that say so, now and every few seconds, and that send what waits."""
    threading.Thread(target=_say_it_until_the_end, name="hello", daemon=True).start()
    threads.start(_ending)


@worker_shutdown.connect
def say_goodbye(**_: Any) -> None:
    """Take the worker off the list, when its builds have gone back to the queue."""
    # Here and not in the thread: the process ends without waiting for it.
    _ending.set()
    with _saying:
        _try(lambda: workers.gone(worker_name()))


def _say_it_until_the_end() -> None:
    name = worker_name()
    while not _ending.is_set():
        with _saying:
            if not _ending.is_set():
                _try(lambda: workers.here(name, settings.BUILDS_AT_ONCE))
        _try(tallies.count)
        _ending.wait(settings.RECONCILE_SECONDS)
    connection.close()


def _try(work: Any) -> None:
    try:
        work()
    except DatabaseError as error:
        log.warning("The worker cannot tell the database that it is there (%s); it tries again.", error)
    finally:
        close_old_connections()
