"""What a Celery worker does: it builds, looks after lost builds, and stops in order."""

import logging
import threading
import uuid
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, connection

from builds import runner
from builds.queue import BUILD_IMAGE
from builds.reconcile import reconcile
from builds.reporting import stopping

log = logging.getLogger(__name__)


@shared_task(name=BUILD_IMAGE)
def build_image(build_id: str) -> None:
    """Build it, if nobody else does."""
    if not stopping.is_set():
        runner.run(uuid.UUID(build_id), runner.worker_name())


@worker_ready.connect
def look_after_builds(**_: Any) -> None:
    """Start the thread that reconciles, now and every few seconds."""
    threading.Thread(target=_reconcile_until_stopped, name="reconciler", daemon=True).start()


@worker_shutting_down.connect
def stop_in_order(**_: Any) -> None:
    """Let the builds under way go back to the queue."""
    stopping.set()


def _reconcile_until_stopped() -> None:
    while not stopping.is_set():
        try:
            reconcile()
        except DatabaseError as error:
            log.warning("The reconciler could not look at the builds (%s); it tries again.", error)
        finally:
            connection.close()
        stopping.wait(settings.RECONCILE_SECONDS)
