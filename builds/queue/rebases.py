"""The queue of rebases: planned for a page or a command, then run, by workers.

The rows are the queue, which workers poll. Each write of a worker is conditional on its claim, so that a worker
that has lost a rebase changes nothing.
"""

import uuid
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from builds.models import Fate, Rebase, RebaseState
from builds.models.rebases import WORKED_ON
from builds.queue.heartbeats import lock_unchanged
from builds.queue.requests import StateConflict
from environments.audit.record import record
from environments.models import Workspace

MOST_WAITING = 5  # of a workspace
MAX_ATTEMPTS = 5
WORKER_DIED = "The worker died each time. The images that were rebased stay rebased."


# For pages and commands


@transaction.atomic
def request_plan(
    workspace: Workspace | None,
    base: str,
    target: str,
    by: User | None,
    *,
    base_digest: str = "",
    rebuild: bool = False,
    start: bool = False,
) -> Rebase:
    """Request a plan of a rebase; with `start`, it runs as soon as it is planned. Raises StateConflict."""
    waiting = Rebase.objects.filter(workspace=workspace, state__in=WORKED_ON)
    if waiting.count() >= MOST_WAITING:
        raise StateConflict("Other rebases are waiting or running here. Try again when they have ended.")
    rebase = Rebase.objects.create(
        workspace=workspace,
        base=base,
        base_digest=base_digest,
        target=target,
        rebuild=rebuild,
        requested_by=by,
        started_at=Now() if start else None,
    )
    _record("rebase.planned", rebase, by)
    if start:
        _record("rebase.started", rebase, by)
    return rebase


@transaction.atomic
def start(rebase: Rebase, by: User | None, *, rebuild: bool | None = None) -> None:
    """Have a worker run a planned rebase. Raises StateConflict if it is not, or not any more."""
    changes = {} if rebuild is None else {"rebuild": rebuild}
    ready = Rebase.objects.filter(pk=rebase.pk, state=RebaseState.READY)
    if not ready.update(
        state=RebaseState.RUNNING, started_at=Now(), requested_by=by, attempt=0, claim=None, **changes
    ):
        raise StateConflict("This rebase has started or ended already.")
    _record("rebase.started", rebase, by)


@transaction.atomic
def cancel(rebase: Rebase, by: User | None) -> None:
    """Cancel a rebase: images that were rebased stay so. Raises StateConflict if it has ended."""
    rows = Rebase.objects.select_for_update().filter(pk=rebase.pk)
    row = rows.filter(state__in=[*WORKED_ON, RebaseState.READY]).first()
    if row is None:
        raise StateConflict("This rebase has ended already.")
    # Names of images that have moved still have to: a worker ends the rebase after that.
    unnamed = row.images.filter(fate=Fate.REBASED, named=False).exists()
    if row.claim is None and not unnamed:
        rows.update(state=RebaseState.CANCELLED, ended_at=Now(), cancel_requested=True)
    else:
        rows.update(cancel_requested=True)
    _record("rebase.cancelled", rebase, by)


# For workers: claim, keep and end rebases


def claim_next() -> Rebase | None:
    """Claim the rebase that has waited longest; return None if none waits."""
    for (pk,) in _waiting().order_by("pk").values_list("pk"):
        if claimed := claim_one(pk):
            return claimed
    return None


def claim_one(pk: int) -> Rebase | None:
    """Claim a rebase; return None if it does not wait for a worker."""
    claim = uuid.uuid4()
    waits = _waiting().filter(pk=pk)
    if not waits.update(claim=claim, heartbeat_at=Now(), attempt=F("attempt") + 1):
        return None
    return Rebase.objects.select_related("workspace", "requested_by").get(claim=claim)


def has_waiting() -> bool:
    """Return whether a rebase waits for a worker."""
    return _waiting().exists()


def heartbeat(rebase: Rebase) -> bool | None:
    """Send a heartbeat; return whether it is to be cancelled, or None if another worker has it now."""
    if not claimed(rebase).update(heartbeat_at=Now()):
        return None
    return bool(Rebase.objects.filter(pk=rebase.pk).values_list("cancel_requested", flat=True).get())


def planned(rebase: Rebase) -> bool:
    """End the planning: the rebase waits for its start, or runs on; return False if the claim was lost."""
    if rebase.started_at is not None:
        return bool(claimed(rebase).update(state=RebaseState.RUNNING))
    return bool(claimed(rebase).update(state=RebaseState.READY, claim=None))


def requeue(rebase: Rebase) -> None:
    """Return a rebase to the queue without counting this attempt."""
    claimed(rebase).update(claim=None, attempt=F("attempt") - 1)


@transaction.atomic
def finish(rebase: Rebase, state: RebaseState, problem: str = "") -> bool:
    """End a rebase; return False if the claim was lost."""
    return bool(claimed(rebase).update(state=state, claim=None, ended_at=Now(), problem=problem))


def running() -> QuerySet[Rebase]:
    """Return the rebases that a worker has."""
    return Rebase.objects.filter(state__in=WORKED_ON, claim__isnull=False)


def release(silent: Iterable[Rebase]) -> None:
    """Requeue rebases whose workers have died: another goes on where they were."""
    for seen in silent:
        with transaction.atomic():
            rebase = lock_unchanged(seen)
            if rebase is None:
                continue
            if rebase.attempt >= MAX_ATTEMPTS:
                finish(rebase, RebaseState.FAILED, WORKER_DIED)
            else:
                claimed(rebase).update(claim=None)


def claimed(rebase: Rebase) -> QuerySet[Rebase]:
    """Return the row of a rebase, if this worker still has it."""
    return Rebase.objects.filter(pk=rebase.pk, state__in=WORKED_ON, claim=rebase.claim)


def _waiting() -> QuerySet[Rebase]:
    return Rebase.objects.filter(state__in=WORKED_ON, claim=None)


def _record(verb: str, rebase: Rebase, by: User | None) -> None:
    record(
        verb,
        rebase.base,
        workspace=rebase.workspace,
        actor=by,
        rebase=rebase.pk,
        target=rebase.target,
    )
