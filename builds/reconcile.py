"""Nothing is lost: the builds of dead workers are taken from them, and wait for the next."""

import logging
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from builds import trials
from builds.endings import record_the_end
from builds.logs import pack_logs_of_ended
from builds.models import Build, State, Step

log = logging.getLogger(__name__)

WORKER_DIED = "The worker died {attempts} times while it built this."
WORKER_DIED_HELP = (
    "Most often the machine ran out of memory, or the worker was killed. Look at the last lines of the log and at "
    "the machine, then retry."
)


class DatabaseClock:
    """The clock that heartbeats go by, watched from look to look."""

    def __init__(self) -> None:
        self._ahead: float | None = None  # of a clock that nobody can set
        self._looked_at: float | None = None
        self._halted = False

    def tells_nothing(self) -> bool:
        """Whether heartbeats seem old just now though their workers live.

        Somebody has set the clock since the last look, or this machine was asleep; or this worker or the
        database was halted, and the heartbeats of that time are only now on their way.
        """
        return self._was_set() | self._was_halted()

    def _was_set(self) -> bool:
        now = Build.objects.order_by().annotate(now=Now()).values_list("now", flat=True).first()
        ahead = now.timestamp() - time.monotonic() if now else None
        before, self._ahead = self._ahead, ahead
        if before is None or ahead is None:
            return False
        return bool(abs(ahead - before) > settings.LOST_AFTER_SECONDS / 2)

    def _was_halted(self) -> bool:
        now = time.monotonic()  # which goes on while a process is halted
        since, self._looked_at = self._looked_at, now
        late = (
            since is not None and now - since > settings.RECONCILE_SECONDS + settings.LOST_AFTER_SECONDS / 2
        )
        # Never twice in turn: where looks take as long as that, they count all the same.
        self._halted = late and not self._halted
        return self._halted


def reconcile(clock: DatabaseClock | None = None) -> None:
    """Take builds away from workers that have gone silent; whoever has a free hand then finds them."""
    # Just after such a thing every worker seems silent: each says that it lives before the next look.
    if clock is None or not clock.tells_nothing():
        take_from_silent_workers()
        trials.take_from_silent_workers()
    trials.note_what_is_proposed()
    pack_logs_of_ended()


def take_from_silent_workers() -> int:
    """Put the builds of workers without a heartbeat back into the queue; return how many."""
    lease = timedelta(seconds=settings.LOST_AFTER_SECONDS)
    # All heartbeats are by the database's clock. One in the future is from before somebody set it back.
    return release(Q(heartbeat_at__lt=Now() - lease) | Q(heartbeat_at__gt=Now() + lease), died=True)


def release_builds_of(worker: str, *, died: bool) -> int:
    """Put what this worker, known to be gone, had under way back into the queue; return how many."""
    return release(Q(worker=worker), died=died)


def release(which: Q, *, died: bool) -> int:
    """Put running builds back into the queue, and end those whose workers `died` too often."""
    released = 0
    for build in Build.objects.filter(which, state=State.RUNNING):
        if _release(build, which, died=died):
            released += 1
            log.warning("Build %s was taken from %s, which has gone.", build.pk, build.worker)
    return released


@transaction.atomic
def _release(build: Build, which: Q, *, died: bool) -> bool:
    # All of it in the condition again: a worker that came back in between keeps its build.
    held = Build.objects.filter(which, pk=build.pk, state=State.RUNNING, claim=build.claim)
    # Whoever comes to wait for one that was cancelled takes that back; the next look sees it.
    held = held.filter(cancel_requested=build.cancel_requested)
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
    if not held.update(revision=F("revision") + 1, **({"ended_at": Now(), **end} if end else again)):
        return False
    steps = Step.objects.filter(build=build, attempt=build.attempt)
    if died or end:
        steps.filter(ended_at=None).update(ended_at=Now(), failed=True)
    else:  # the attempt does not count, and its number will be taken again
        steps.delete()
    if end:
        record_the_end(build.pk)
    return True
