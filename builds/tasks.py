"""The tasks and threads of a Celery worker: it builds, reconciles lost builds, and stops gracefully.

A message only wakes a worker: `queue.fairness` decides which build it claims. Free threads also poll every few
seconds, so that neither a lost message nor an absent broker delays a build.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from builds.advisories.base_layers import read_older_bases
from builds.advisories.fetching import import_when_due
from builds.healing.drift import has_due, watch_curated
from builds.healing.runs import has_open_items
from builds.images.expiry import remove_expired
from builds.images.store_sweep import Swept, sweep, sweep_when_due
from builds.imaging.cache_eviction import evict_when_due
from builds.queue import rebases
from builds.queue.fairness import claim_next, has_claimable_builds, somebody_waits
from builds.queue.messages import BUILD_IMAGE, CHECK_BASES, PREVIEW_REBUILD, PUSH_TAGS, REBASE, SWEEP_STORE
from builds.queue.prebuilds import Prebuilder
from builds.queue.previews import resend_lost_previews
from builds.queue.trials import has_waiting_trials
from builds.rebase.checks import check_when_due
from builds.rebase.working import run_waiting_rebases
from builds.worker import preview, publish, runner, steps
from builds.worker.healing.drifting import check_due_environments
from builds.worker.healing.planning import run_waiting_items
from builds.worker.reconciler import Reconciler
from builds.worker.reporter import stopping
from builds.worker.trial import run_waiting_trials
from environments.contexts.sweep import sweep_uploads
from environments.planner import update_statistics

log = logging.getLogger(__name__)

SWEEP_CHECK_SECONDS = 60.0
ADVISORIES_CHECK_SECONDS = 60.0
TAGS_SECONDS = 30.0
BASES_SECONDS = 30.0


@shared_task(name=BUILD_IMAGE)
def build_image() -> None:
    """Run the queued builds, in fair order."""
    run_queued_builds()


@shared_task(name=PREVIEW_REBUILD)
def preview_rebuild(preview_id: int) -> None:
    """Run the preview of a rebuild, for the page that confirms it."""
    if not stopping.is_set():
        preview.run_preview(preview_id)


@shared_task(name=SWEEP_STORE)
def sweep_store() -> None:
    """Remove from the store what no image needs."""
    if not stopping.is_set():
        _log_sweep(sweep(dry_run=False))


@shared_task(name=PUSH_TAGS)
def push_tags() -> None:
    """Wake the thread that pushes missing tags to workspaces' registries."""
    _tags_missing.set()


@shared_task(name=REBASE)
def rebase() -> None:
    """Plan and run the rebases that wait."""
    run_waiting_rebases()


@shared_task(name=CHECK_BASES)
def check_bases() -> None:
    """Wake the thread that looks up bases."""
    _bases_due.set()


_tags_missing = threading.Event()
_bases_due = threading.Event()


def _log_sweep(swept: Swept) -> None:
    log.info("Swept the store: %d files, %d bytes.", len(swept.blobs), swept.freed)


def run_queued_builds() -> None:
    """Run queued builds in fair order until none can be claimed."""
    while not stopping.is_set():
        claim = claim_next(runner.worker_name())
        if claim is None:
            return
        if has_claimable_builds():
            build_poller.wake()
        runner.run_claimed(claim)
        _tags_missing.set()
        _wake_followers()


def _wake_followers() -> None:
    """Have done at once what waits for builds: the import test of their images, and the items of runs that heal."""
    if has_waiting_trials():
        trial_poller.wake()
    if has_open_items():
        heal_poller.wake()


class WorkPoller:
    """Polls for work in the worker's own threads; at most one poll waits for a free thread."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self.pool: Any = None  # Celery's, once the worker is ready
        self._queued = threading.Lock()

    def wake(self) -> None:
        """Poll as soon as a thread is free."""
        if self.pool is None or stopping.is_set() or not self._queued.acquire(blocking=False):
            return
        try:
            self.pool.apply_async(self._run)
        except RuntimeError:  # the pool takes nothing more: the worker is ending
            self._queued.release()

    def _run(self) -> None:
        self._queued.release()
        try:
            self._work()
        except DatabaseError as error:
            log.warning("Could not read the queue (%s); retrying.", error)
        finally:
            connection.close()


build_poller = WorkPoller(run_queued_builds)
trial_poller = WorkPoller(run_waiting_trials)
rebase_poller = WorkPoller(run_waiting_rebases)
heal_poller = WorkPoller(run_waiting_items)
drift_poller = WorkPoller(check_due_environments)


@worker_ready.connect
def start_background_threads(sender: Any = None, **_: Any) -> None:
    """Start the threads that reconcile, push missing tags, look up bases, sweep store and cache, and import advisories."""
    for poller in (build_poller, trial_poller, rebase_poller, heal_poller, drift_poller):
        poller.pool = getattr(sender, "pool", None)
    threading.Thread(target=_reconcile_until_stopped, name="reconciler", daemon=True).start()
    threading.Thread(target=_push_tags_until_stopped, name="tags", daemon=True).start()
    threading.Thread(target=_check_bases_until_stopped, name="bases", daemon=True).start()
    threading.Thread(target=_sweep_until_stopped, name="sweeper", daemon=True).start()
    threading.Thread(target=_import_advisories_until_stopped, name="advisories", daemon=True).start()


@worker_shutting_down.connect
def stop_gracefully(**_: Any) -> None:
    """Return the running builds to the queue."""
    stopping.set()
    _tags_missing.set()
    _bases_due.set()


def _reconcile_until_stopped() -> None:
    reconciler, prebuilder = Reconciler(), Prebuilder()
    while not stopping.is_set():
        try:
            reconciler.reconcile()
            resend_lost_previews()
            prebuilder.request_when_idle()
            if has_claimable_builds():
                build_poller.wake()
            if has_waiting_trials():
                trial_poller.wake()
            if rebases.has_waiting():
                rebase_poller.wake()
            if has_open_items():
                heal_poller.wake()
            if has_due() and not somebody_waits():
                drift_poller.wake()
        except DatabaseError as error:
            log.warning("The reconciler could not read the builds (%s); retrying.", error)
        finally:
            close_old_connections()
        stopping.wait(settings.RECONCILE_SECONDS)
    connection.close()


def _push_tags_until_stopped() -> None:
    # Not in the threads of builds, which a registry that does not answer would hold up.
    while not stopping.is_set():
        _tags_missing.clear()
        try:
            publish.push_missing_tags(lambda logins: steps.make_workshop(logins=logins))
            publish.remove_tags_left_behind(lambda logins: steps.make_workshop(logins=logins))
        except DatabaseError as error:
            log.warning("Could not read which tags are missing in registries (%s); retrying.", error)
        except Exception:  # nobody would notice that the thread had ended
            log.exception("Could not push tags; retrying")
        finally:
            connection.close()
        _tags_missing.wait(TAGS_SECONDS)


def _check_bases_until_stopped() -> None:
    # Not at the start, when waiting builds come first; and not in their threads, as registries may not answer.
    while not stopping.is_set():
        _bases_due.wait(BASES_SECONDS)
        _bases_due.clear()
        if stopping.is_set():
            return
        try:
            check_when_due()
        except Exception:  # nobody would notice that the thread had ended
            log.exception("Could not look up bases; retrying")
        finally:
            connection.close()


def _sweep_until_stopped() -> None:
    # Not at the start, when waiting builds come first.
    while not stopping.wait(min(SWEEP_CHECK_SECONDS, settings.SWEEP_SECONDS or SWEEP_CHECK_SECONDS)):
        try:
            watch_curated()
            swept = sweep_when_due()
            if swept is not None:
                _log_sweep(swept)
                update_statistics()
                log.info("Swept uploads and build contexts: %d files, %d bytes.", *sweep_uploads())
                log.info("Removed %d anonymous versions.", remove_expired())
            # All workers share the store; each host may have its own cache.
            evicted = evict_when_due(settings.CACHE, settings.CACHE_DAYS)
            if evicted is not None:
                log.info("Evicted from the cache: %d files, %d bytes.", evicted.files, evicted.size)
        except Exception:  # nobody would notice that the thread had ended until the disk is full
            log.exception("Could not sweep store or cache; retrying when it is next due")
        finally:
            connection.close()


def _import_advisories_until_stopped() -> None:
    tried: set[str] = set()  # bases that cannot be read here
    while not stopping.wait(ADVISORIES_CHECK_SECONDS):
        try:
            for url, imported in import_when_due():
                log.info(
                    "Imported advisories from %s: %d new, %d changed, %d removed.",
                    url,
                    imported.added,
                    imported.changed,
                    imported.removed,
                )
            if read := read_older_bases(steps.make_workshop(), tried):
                log.info("Read the packages of %d bases.", read)
        except Exception:  # nobody would notice that the thread had ended
            log.exception("Could not import advisories; retrying when they are next due")
        finally:
            connection.close()
