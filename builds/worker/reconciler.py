"""Nothing is lost: the builds of dead workers are taken from them, and wait for the next."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from builds import trials
from builds.endings import record_the_end
from builds.heartbeats import Heartbeats, locked
from builds.logs import pack_logs_of_ended
from builds.models import Build, State, Step
from builds.trial_models import Trial, TrialState

log = logging.getLogger(__name__)

WORKER_DIED = "The worker died {attempts} times while it built this."
WORKER_DIED_HELP = (
    "Most often the machine ran out of memory, or the worker was killed. Look at the last lines of the log and at "
    "the machine, then retry."
)


class Reconciler:
    """Takes from workers that have gone silent what they had under way, from look to look."""

    def __init__(self) -> None:
        self._builds: Heartbeats[Build] = Heartbeats()
        self._trials: Heartbeats[Trial] = Heartbeats()

    def look(self) -> None:
        """Take builds and trials away from silent workers; whoever has a free hand then finds them."""
        release(self._builds.silent(Build.objects.filter(state=State.RUNNING)), died=True)
        trials.take_away(self._trials.silent(Trial.objects.filter(state=TrialState.RUNNING)))
        trials.note_what_is_proposed()
        pack_logs_of_ended()


def release_builds_of(worker: str, *, died: bool) -> int:
    """Put what this worker, known to be gone, had under way back into the queue; return how many."""
    return release(Build.objects.filter(worker=worker, state=State.RUNNING), died=died)


def release_builds_of_the_dead(host: str) -> int:
    """Put what processes of this machine had under way that are gone back into the queue; return how many."""
    running = Build.objects.filter(state=State.RUNNING, worker__startswith=f"{host}:").order_by()
    workers = set(running.values_list("worker", flat=True))
    return sum(release_builds_of(worker, died=True) for worker in workers if not _lives(worker))


def _lives(worker: str) -> bool:
    pid = worker.rpartition(":")[2]
    try:
        os.kill(int(pid), 0)
        # One that has ended is there still until its parent asks for it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, OSError):  # it is another person's, or this is no Linux
        return True


def release(builds: Iterable[Build], *, died: bool) -> int:
    """Put builds back into the queue, and end those whose workers `died` too often; return how many they were.

    The builds are as they were seen: one whose worker has said since that it lives stays with it.
    """
    released = 0
    for build in builds:
        if _release(build, died=died):
            released += 1
            log.warning("Build %s was taken from %s, which has gone.", build.pk, build.worker)
    return released


@transaction.atomic
def _release(seen: Build, *, died: bool) -> bool:
    build = locked(seen)
    if build is None:
        return False
    end: dict[str, Any] = {}
    if build.cancel_requested:
        end = {"state": State.CANCELLED, "error_code": "cancelled", "error": "The build was cancelled."}
    elif died and build.attempt >= settings.MAX_ATTEMPTS:
        end = {
            "state": State.FAILED,
            "error_code": "worker-died",
            "error": WORKER_DIED.format(attempts=build.attempt),
            "error_help": WORKER_DIED_HELP,
            "error_fault": "studio",
            "error_line": build.log_lines or None,
        }
    attempt = build.attempt if died else build.attempt - 1
    again = {"state": State.QUEUED, "claim": None, "worker": "", "attempt": attempt}
    moves = {"ended_at": Now(), **end} if end else again
    Build.objects.filter(pk=build.pk).update(revision=F("revision") + 1, **moves)
    steps = Step.objects.filter(build=build, attempt=build.attempt)
    if died or end:
        steps.filter(ended_at=None).update(ended_at=Now(), failed=True)
    else:  # the attempt does not count, and its number will be taken again
        steps.delete()
    if end:
        record_the_end(build.pk)
    return True
