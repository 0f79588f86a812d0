"""Return the builds, trials and rebases of dead workers to their queues."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from builds.logs import pack_logs_of_ended
from builds.models import Build, BuildState, Rebase, Step
from builds.models.trial import Trial, TrialState
from builds.queue import rebases, trials
from builds.queue.completion import record_end
from builds.queue.heartbeats import Heartbeats, lock_unchanged

log = logging.getLogger(__name__)

WORKER_DIED = "The worker died {attempts} times while building this."
WORKER_DIED_HELP = (
    "The machine probably ran out of memory, or the worker was killed. Check the last lines of the log and the "
    "machine, then retry."
)


class Reconciler:
    """Takes builds, trials and rebases from workers whose heartbeats have stopped between its runs."""

    def __init__(self) -> None:
        self._builds: Heartbeats[Build] = Heartbeats()
        self._trials: Heartbeats[Trial] = Heartbeats()
        self._rebases: Heartbeats[Rebase] = Heartbeats()

    def reconcile(self) -> None:
        """Requeue builds, trials and rebases of silent workers, queue new trials, and pack logs left unpacked."""
        release(self._builds.silent(Build.objects.filter(state=BuildState.RUNNING)), died=True)
        trials.release_trials(self._trials.silent(Trial.objects.filter(state=TrialState.RUNNING)))
        rebases.release(self._rebases.silent(rebases.running()))
        trials.queue_proposed_images()
        pack_logs_of_ended()


def release_builds_of(worker: str, *, died: bool) -> int:
    """Requeue the running builds of a worker that is known to be gone; return how many."""
    return release(Build.objects.filter(worker=worker, state=BuildState.RUNNING), died=died)


def release_builds_of_dead_workers(host: str) -> int:
    """Requeue the running builds of this host's dead processes; return how many."""
    running = Build.objects.filter(state=BuildState.RUNNING, worker__startswith=f"{host}:").order_by()
    workers = set(running.values_list("worker", flat=True))
    return sum(release_builds_of(worker, died=True) for worker in workers if not _is_alive(worker))


def _is_alive(worker: str) -> bool:
    pid = worker.rpartition(":")[2]
    try:
        os.kill(int(pid), 0)
        # A process that has ended stays a zombie until its parent reaps it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, OSError):  # another user's process, or not Linux
        return True


def release(builds: Iterable[Build], *, died: bool) -> int:
    """Requeue builds, and end those whose workers `died` too often; return how many were released.

    A build whose worker has sent a heartbeat since it was read stays with that worker.
    """
    released = 0
    for build in builds:
        if _release(build, died=died):
            released += 1
            log.warning("Build %s was taken from %s, which is gone.", build.pk, build.worker)
    return released


@transaction.atomic
def _release(seen: Build, *, died: bool) -> bool:
    build = lock_unchanged(seen)
    if build is None:
        return False
    end: dict[str, Any] = {}
    if build.cancel_requested:
        end = {"state": BuildState.CANCELLED, "error_code": "cancelled", "error": "Build cancelled."}
    elif died and build.attempt >= settings.MAX_ATTEMPTS:
        end = {
            "state": BuildState.FAILED,
            "error_code": "worker-died",
            "error": WORKER_DIED.format(attempts=build.attempt),
            "error_help": WORKER_DIED_HELP,
            "error_fault": "studio",
            "error_line": build.log_lines or None,
        }
    attempt = build.attempt if died else build.attempt - 1
    again = {"state": BuildState.QUEUED, "claim": None, "worker": "", "attempt": attempt}
    moves = {"ended_at": Now(), **end} if end else again
    Build.objects.filter(pk=build.pk).update(revision=F("revision") + 1, **moves)
    steps = Step.objects.filter(build=build, attempt=build.attempt)
    if died or end:
        steps.filter(ended_at=None).update(ended_at=Now(), failed=True)
    else:  # the attempt does not count: its number will be used again
        steps.delete()
    if end:
        record_end(build.pk)
    return True
