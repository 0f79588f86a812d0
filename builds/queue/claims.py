"""The claim on a build: the right to work on it, held by one worker at a time.

Each transition is one conditional UPDATE whose row count is the answer. The claim's holder writes through it;
after another worker took the build over, its writes change nothing. Times are by the database's clock, as
those of the workers may differ.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from builds.models import ACTIVE, Build, BuildState, Image, LogChunk, Step
from builds.queue.completion import notify_end, record_end


class ClaimLost(Exception):
    """Another worker has the build now, or it has ended: stop without writing."""


@dataclass(frozen=True)
class LogLines:
    """Lines of one step, cleaned and masked, that are not written yet."""

    step: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """One worker's claim on one build, for one attempt."""

    build_id: uuid.UUID
    token: uuid.UUID
    attempt: int

    @classmethod
    def take(cls, build_id: uuid.UUID, worker: str) -> "Claim | None":
        """Claim a queued build; return None if another worker has it or it has ended."""
        token = uuid.uuid4()
        taken = Build.objects.filter(pk=build_id, state=BuildState.QUEUED).update(
            state=BuildState.RUNNING,
            claim=token,
            worker=worker,
            attempt=F("attempt") + 1,
            started_at=Now(),
            heartbeat_at=Now(),
            revision=F("revision") + 1,
        )
        if not taken:
            return None
        return cls(build_id, token, Build.objects.values_list("attempt", flat=True).get(pk=build_id))

    def write(self, **values: Any) -> None:
        """Update the build's row, which is also a heartbeat; raise ClaimLost if another worker has it."""
        if not self._claimed.update(heartbeat_at=Now(), revision=F("revision") + 1, **values):
            raise ClaimLost

    @property
    def _claimed(self) -> QuerySet[Build]:
        return Build.objects.filter(pk=self.build_id, claim=self.token, state=BuildState.RUNNING)

    def should_stop(self) -> bool:
        """Send a heartbeat and return whether the build was cancelled."""
        if not self._claimed.update(heartbeat_at=Now()):
            raise ClaimLost
        return self._claimed.values_list("cancel_requested", flat=True).first() or False

    @transaction.atomic
    def append(self, text: str, lines: int, step: str, *, after: int | None = None) -> None:
        """Append whole lines to the log after line `after`, unless they are there already."""
        # The writer retries when an answer was lost.
        if after is not None and self._claimed.filter(log_lines__gt=after).exists():
            return
        # The update comes first: it locks the row, so that no other writer takes the same numbers.
        self.write(log_seq=F("log_seq") + 1, log_lines=F("log_lines") + lines)
        seq, end = Build.objects.values_list("log_seq", "log_lines").get(pk=self.build_id)
        LogChunk.objects.create(
            build_id=self.build_id,
            seq=seq,
            step=step,
            first_line=end - lines + 1,
            text=text,
            at=Now(),
        )

    def _append_all(self, log: Sequence[LogLines]) -> None:
        for part in log:
            self.append("".join(f"{line}\n" for line in part.lines), len(part.lines), part.step)

    @transaction.atomic
    def succeed(self, image: Image, *, reused: bool, log: Sequence[LogLines] = ()) -> None:
        """End the build with its image, and its log with these lines."""
        self._end(BuildState.SUCCEEDED, log, image=image, reused=reused)

    @transaction.atomic
    def fail(
        self,
        code: str,
        error: str,
        help: str,
        fault: str,
        line: int | None = None,
        causes: Sequence[dict[str, object]] = (),
        *,
        details: Mapping[str, object] | None = None,
        log: Sequence[LogLines] = (),
    ) -> None:
        """End the build with a sentence about what happened and one about what to do.

        `line` is the log line that shows it; `causes` are further causes found in the log; `log` are the
        log's last lines.
        """
        self._end(
            BuildState.FAILED,
            log,
            error_code=code,
            error=error,
            error_help=help,
            error_fault=fault,
            error_line=line,
            causes=list(causes),
            details=dict(details or {}),
        )

    @transaction.atomic
    def cancel(self, *, log: Sequence[LogLines] = ()) -> None:
        """End the build as cancelled."""
        self._end(BuildState.CANCELLED, log, error_code="cancelled", error="Build cancelled.")

    def _end(self, state: BuildState, log: Sequence[LogLines], **values: Any) -> None:
        if Build.objects.filter(pk=self.build_id, claim=self.token, state=state).exists():
            return  # already written: only the answer was lost
        self._append_all(log)
        self.write(state=state, ended_at=Now(), **values)
        failed = state != BuildState.SUCCEEDED
        Step.objects.filter(build_id=self.build_id, ended_at=None).update(ended_at=Now(), failed=failed)
        record_end(self.build_id)

    @transaction.atomic
    def requeue(self, *, log: Sequence[LogLines] = (), log_if_cancelled: Sequence[LogLines] = ()) -> None:
        """Return the build to the queue without counting this attempt; end it if it was cancelled."""
        # Requests and cancellations lock the row too.
        if self._claimed.select_for_update().values_list("cancel_requested", flat=True).first():
            self.cancel(log=log_if_cancelled)
            return
        self._append_all(log)
        self.write(state=BuildState.QUEUED, claim=None, worker="", attempt=F("attempt") - 1)
        Step.objects.filter(build_id=self.build_id, attempt=self.attempt).delete()


@transaction.atomic
def cancel_queued(build_id: uuid.UUID) -> bool:
    """End an unclaimed build; return False if a worker has claimed it. The caller records the event."""
    ended = Build.objects.filter(pk=build_id, state=BuildState.QUEUED).update(
        state=BuildState.CANCELLED,
        error_code="cancelled",
        error="Build cancelled.",
        ended_at=Now(),
        revision=F("revision") + 1,
    )
    if ended:
        notify_end(build_id)
    return bool(ended)


def request_cancellation(build_id: uuid.UUID) -> bool:
    """Set the cancel flag, which the worker polls; return False if the build has ended."""
    return bool(
        Build.objects.filter(pk=build_id, state__in=ACTIVE).update(
            cancel_requested=True, revision=F("revision") + 1
        )
    )
