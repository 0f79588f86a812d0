"""What a Celery worker does: it builds what waits, looks after lost builds, and stops in order.

A message only wakes a worker: which build it takes, `turns` decides. A worker with a free thread looks by
itself every few seconds too, so that neither a lost message nor a broker that is away holds a build up.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, connection

from builds import dry_run, runner
from builds.images.forgetting import forget_when_due
from builds.previews import ask_for_overlooked
from builds.queue import BUILD_IMAGE, PREVIEW_REBUILD, SWEEP_STORE
from builds.reconcile import Reconciler
from builds.reporting import stopping
from builds.sweeping import Swept, sweep, sweep_when_due
from builds.trials import anything_to_try
from builds.trying import try_what_waits
from builds.turns import anything_to_take, take_next

log = logging.getLogger(__name__)

LOOK_AT_STORE_SECONDS = 60.0


@shared_task(name=BUILD_IMAGE)
def build_image(build_id: str) -> None:
    """Build what waits: this build, or whatever comes before it."""
    build_what_waits()


@shared_task(name=PREVIEW_REBUILD)
def preview_rebuild(preview_id: int) -> None:
    """Find out what a rebuild would change, for the page that asks before it."""
    if not stopping.is_set():
        dry_run.look(preview_id)


@shared_task(name=SWEEP_STORE)
def sweep_store() -> None:
    """Take out of the store what no image needs any more."""
    if not stopping.is_set():
        _tell(sweep(dry_run=False))


def _tell(swept: Swept) -> None:
    log.info("The store is swept: %d files, %d bytes.", len(swept.blobs), swept.freed)


def build_what_waits() -> None:
    """Build, the fairest first, until there is nothing that may be built now."""
    while not stopping.is_set():
        claim = take_next(runner.worker_name())
        if claim is None:
            return
        if anything_to_take():
            looks.one_more()
        runner.run_claimed(claim)


class Looks:
    """Looks for work by the worker's own threads: at most one waits for a free thread."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self.pool: Any = None  # Celery's, once the worker is ready
        self._waits = threading.Lock()

    def one_more(self) -> None:
        """Let a thread look at the queue as soon as one is free."""
        if self.pool is None or stopping.is_set() or not self._waits.acquire(blocking=False):
            return
        try:
            self.pool.apply_async(self._look)
        except RuntimeError:  # the pool takes nothing more: the worker is ending
            self._waits.release()

    def _look(self) -> None:
        self._waits.release()
        try:
            self._work()
        except DatabaseError as error:
            log.warning("A worker could not look at the queue (%s); it tries again.", error)
        finally:
            connection.close()


looks = Looks(build_what_waits)
trial_looks = Looks(try_what_waits)


@worker_ready.connect
def look_after_builds(sender: Any = None, **_: Any) -> None:
    """Start the threads that reconcile, now and every few seconds, and that sweep the store now and then."""
    looks.pool = trial_looks.pool = getattr(sender, "pool", None)
    threading.Thread(target=_reconcile_until_stopped, name="reconciler", daemon=True).start()
    threading.Thread(target=_sweep_until_stopped, name="sweeper", daemon=True).start()


@worker_shutting_down.connect
def stop_in_order(**_: Any) -> None:
    """Let the builds under way go back to the queue."""
    stopping.set()


def _reconcile_until_stopped() -> None:
    reconciler = Reconciler()
    while not stopping.is_set():
        try:
            reconciler.look()
            ask_for_overlooked()
            if anything_to_take():
                looks.one_more()
            if anything_to_try():
                trial_looks.one_more()
        except DatabaseError as error:
            log.warning("The reconciler could not look at the builds (%s); it tries again.", error)
        finally:
            connection.close()
        stopping.wait(settings.RECONCILE_SECONDS)


def _sweep_until_stopped() -> None:
    # Not at the start: then builds that waited for a worker come first.
    while not stopping.wait(min(LOOK_AT_STORE_SECONDS, settings.SWEEP_SECONDS or LOOK_AT_STORE_SECONDS)):
        try:
            swept = sweep_when_due()
            if swept is not None:
                _tell(swept)
            # The store is one for all; each machine may have a cache of its own.
            forgotten = forget_when_due(settings.CACHE, settings.CACHE_DAYS)
            if forgotten is not None:
                log.info("The cache is looked through: %d files, %d bytes.", forgotten.files, forgotten.size)
        except Exception:  # a thread that ended would be missed by nobody until the disk is full
            log.exception("Store or cache could not be swept; that is tried again when it is next due.")
        finally:
            connection.close()
