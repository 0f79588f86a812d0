"""What a worker does beside building: it says that it is there, and keeps the tallies up to date."""

import logging
import threading
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, connection

from builds.runner import worker_name
from studio.operations import tallies, workers

log = logging.getLogger(__name__)

_ending = threading.Event()


@worker_ready.connect
def say_hello(**_: Any) -> None:
    """Start the thread that says so, now and every few seconds."""
    threading.Thread(target=_say_it_until_the_end, name="hello", daemon=True).start()


@worker_shutting_down.connect
def say_goodbye(**_: Any) -> None:
    """Let the thread take the worker off the list."""
    _ending.set()


def _say_it_until_the_end() -> None:
    name = worker_name()
    while not _ending.is_set():
        _try(lambda: workers.here(name, settings.BUILDS_AT_ONCE))
        _try(tallies.count)
        _ending.wait(settings.RECONCILE_SECONDS)
    _try(lambda: workers.gone(name))


def _try(work: Any) -> None:
    try:
        work()
    except DatabaseError as error:
        log.warning("The worker cannot tell the database that it is there (%s); it tries again.", error)
    finally:
        connection.close()
