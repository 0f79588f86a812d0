"""The right to work on a build, held by one worker at a time.

A build moves by one conditional UPDATE whose row count is the answer. Whoever holds the claim writes
through it; when somebody else took the build over, nothing that the old holder writes arrives. Times are
by the database's clock: those of the workers may differ.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from builds.endings import record_the_end, tell_the_end
from builds.models import ACTIVE, Build, Image, LogChunk, State, Step


class ClaimLost(Exception):
    """Another worker has this build now, or it has ended: stop without a word."""


@dataclass(frozen=True)
class Claim:
    """One worker's hold on one build, for one attempt."""

    build_id: uuid.UUID
    token: uuid.UUID
    attempt: int

    @classmethod
    def take(cls, build_id: uuid.UUID, worker: str) -> "Claim | None":
        """Return the claim on a queued build; None when another has it or it has ended."""
        token = uuid.uuid4()
        taken = Build.objects.filter(pk=build_id, state=State.QUEUED).update(
            state=State.RUNNING,
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
        """Change the build's row, which also counts as a heartbeat; raise ClaimLost when it is not ours."""
        if not self._held.update(heartbeat_at=Now(), revision=F("revision") + 1, **values):
            raise ClaimLost

    @property
    def _held(self) -> QuerySet[Build]:
        return Build.objects.filter(pk=self.build_id, claim=self.token, state=State.RUNNING)

    def should_stop(self) -> bool:
        """Say that we are alive, and return whether somebody asked for the build to be cancelled."""
        if not self._held.update(heartbeat_at=Now()):
            raise ClaimLost
        return self._held.values_list("cancel_requested", flat=True).first() or False

    @transaction.atomic
    def append(self, text: str, lines: int, step: str, *, after: int | None = None) -> None:
        """Add whole lines to the log: behind line `after`, unless they stand there already."""
        # The writer tries again when an answer was lost on its way.
        if after is not None and self._held.filter(log_lines__gt=after).exists():
            return
        # The update comes first: it holds the row, so that the numbers below are ours alone.
        self.write(log_seq=F("log_seq") + 1, log_lines=F("log_lines") + lines)
        seq, end = Build.objects.values_list("log_seq", "log_lines").get(pk=self.build_id)
        LogChunk.objects.create(
            build_id=self.build_id, seq=seq, step=step, first_line=end - lines + 1, text=text
        )

    @transaction.atomic
    def succeed(self, image: Image, *, reused: bool) -> None:
        """End the build with its image."""
        self._end(State.SUCCEEDED, image=image, reused=reused)

    @transaction.atomic
    def fail(
        self,
        code: str,
        error: str,
        help: str,
        fault: str,
        line: int | None = None,
        causes: Sequence[dict[str, object]] = (),
    ) -> None:
        """End the build with one sentence about what happened and one about what to do.

        `line` is the log's that shows it; `causes` are others that the log shows.
        """
        self._end(
            State.FAILED,
            error_code=code,
            error=error,
            error_help=help,
            error_fault=fault,
            error_line=line,
            causes=list(causes),
        )

    @transaction.atomic
    def cancel(self) -> None:
        """End the build because nobody wants it any more."""
        self._end(State.CANCELLED, error_code="cancelled", error="The build was cancelled.")

    def _end(self, state: State, **values: Any) -> None:
        if Build.objects.filter(pk=self.build_id, claim=self.token, state=state).exists():
            return  # written before, only the answer was lost
        self.write(state=state, ended_at=Now(), **values)
        failed = state != State.SUCCEEDED
        Step.objects.filter(build_id=self.build_id, ended_at=None).update(ended_at=Now(), failed=failed)
        record_the_end(self.build_id)

    @transaction.atomic
    def give_back(self) -> None:
        """Put the build back into the queue, as if this attempt had not been; end it where nobody waits for it."""
        # Whoever comes to wait, or leaves, holds the row too.
        if self._held.select_for_update().values_list("cancel_requested", flat=True).first():
            self.cancel()
            return
        self.write(state=State.QUEUED, claim=None, worker="", attempt=F("attempt") - 1)
        Step.objects.filter(build_id=self.build_id, attempt=self.attempt).delete()


@transaction.atomic
def cancel_queued(build_id: uuid.UUID) -> bool:
    """End a build that no worker has yet; return False when one has it. The caller records who did it."""
    ended = Build.objects.filter(pk=build_id, state=State.QUEUED).update(
        state=State.CANCELLED,
        error_code="cancelled",
        error="The build was cancelled.",
        ended_at=Now(),
        revision=F("revision") + 1,
    )
    if ended:
        tell_the_end(build_id)
    return bool(ended)


def ask_to_stop(build_id: uuid.UUID) -> bool:
    """Raise the flag that the worker looks at; return False when the build has ended already."""
    return bool(
        Build.objects.filter(pk=build_id, state__in=ACTIVE).update(
            cancel_requested=True, revision=F("revision") + 1
        )
    )
