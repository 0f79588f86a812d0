"""The queue of trials: images proposed for the catalogue, tried by workers.

The rows are the queue, which workers poll. Each write of a worker is conditional on its claim, so that a worker
that has lost a trial changes nothing.
"""

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from builds.models import Image
from builds.models.trial import PENDING, Trial, TrialState
from builds.queue.heartbeats import lock_unchanged
from environments.audit.record import record
from environments.models.catalogue import OPEN, Proposal

MAX_ATTEMPTS = 2
BATCH = 100  # images queued at once
WORKER_DIED = "The worker died each time it tried the image."


# For pages: read and request trials


def trial_of(image: Image) -> Trial | None:
    """Return an image's trial; None if it has none."""
    return Trial.objects.filter(digest=image.digest).first()


@transaction.atomic
def request_trial(proposal: Proposal, image: Image, by: User) -> bool:
    """Queue a trial of an image, also after an earlier trial; return False if a trial is pending."""
    trial, created = Trial.objects.get_or_create(digest=image.digest)
    ended = Trial.objects.filter(pk=trial.pk).exclude(state__in=PENDING)
    again = {"python": "", "imported": 0, "problems": [], "skipped": [], "reason": "", "ended_at": None}
    if not created and not ended.update(state=TrialState.WAITING, requested_at=Now(), attempt=0, **again):
        return False
    _record("proposal.trial", proposal, image.digest, by, {"state": trial.state}, TrialState.WAITING)
    return True


def queue_image(image: Image) -> None:
    """Queue a trial of an image that has none."""
    Trial.objects.get_or_create(digest=image.digest)


# For workers: claim, keep and end trials


def queue_proposed_images() -> None:
    """Queue a trial for each proposed image that has none."""
    existing = Trial.objects.filter(digest=OuterRef("digest"))
    new = _proposed().exclude(Exists(existing)).values_list("digest", flat=True).distinct()[:BATCH]
    # Another worker may queue the same image at the same time.
    Trial.objects.bulk_create([Trial(digest=digest) for digest in new], ignore_conflicts=True)
    # A worker without an engine built it: another may have one.
    never = Trial.objects.filter(state=TrialState.UNTRIED, attempt=0, digest__in=_proposed().values("digest"))
    never.update(state=TrialState.WAITING, ended_at=None, reason="")


def claim_next() -> Trial | None:
    """Claim the trial that has waited longest; return None if none waits."""
    for pk in Trial.objects.filter(state=TrialState.WAITING).order_by("requested_at", "pk").values_list("pk"):
        waits = Trial.objects.filter(pk=pk[0], state=TrialState.WAITING)
        claim = uuid.uuid4()
        taken = {"state": TrialState.RUNNING, "claim": claim, "heartbeat_at": Now()}
        if waits.update(**taken, attempt=F("attempt") + 1):
            return Trial.objects.filter(claim=claim).first()
    return None


def has_waiting_trials() -> bool:
    """Return whether a trial waits for a worker."""
    return Trial.objects.filter(state=TrialState.WAITING).exists()


def count_waiting() -> int:
    """Return how many trials wait for a worker."""
    return Trial.objects.filter(state=TrialState.WAITING).count()


def heartbeat(trial: Trial) -> bool:
    """Send a heartbeat; return False if another worker has the trial now."""
    return bool(_claimed(trial).update(heartbeat_at=Now()))


def requeue(trial: Trial) -> None:
    """Return a trial to the queue without counting this attempt."""
    _claimed(trial).update(state=TrialState.WAITING, claim=None, attempt=F("attempt") - 1)


def release_trials(silent: Iterable[Trial]) -> None:
    """Requeue trials whose workers have died, and end those whose workers died at each attempt."""
    for trial in silent:
        _release_trial(trial)


@transaction.atomic
def _release_trial(seen: Trial) -> None:
    trial = lock_unchanged(seen)
    if trial is None:
        return
    if trial.attempt < MAX_ATTEMPTS:
        _claimed(trial).update(state=TrialState.WAITING, claim=None)
    else:
        finish(trial, TrialState.UNTRIED, reason=WORKER_DIED)


@transaction.atomic
def finish(trial: Trial, state: TrialState, **outcome: Any) -> None:
    """End a trial with its outcome, and record an event in each proposal of the image, both or neither."""
    if _claimed(trial).update(state=state, claim=None, ended_at=Now(), **outcome):
        record_in_proposals(trial.digest, state)


def record_in_proposals(digest: str, state: TrialState) -> None:
    """Record the end of an image's trial as an event of each open proposal of that image."""
    for proposal in _proposals_with(digest):
        _record("proposal.tried", proposal, digest, None, None, state)


def _claimed(trial: Trial) -> QuerySet[Trial]:
    return Trial.objects.filter(pk=trial.pk, state=TrialState.RUNNING, claim=trial.claim)


def _proposed() -> QuerySet[Image]:
    """Return the images that reviewers of open proposals see: the catalogue's, or the workspace's own."""
    waiting = Proposal.objects.filter(stage__in=OPEN)
    theirs = Q(workspace__curated=True) | Q(workspace__in=waiting.values("environment__workspace"))
    return Image.objects.filter(theirs, current=True, hash__in=waiting.values("version__hash"))


def _proposals_with(digest: str) -> list[Proposal]:
    images = Image.objects.filter(digest=digest, current=True, hash=OuterRef("version__hash"))
    theirs = images.filter(Q(workspace__curated=True) | Q(workspace=OuterRef("environment__workspace")))
    proposals = Proposal.objects.filter(Exists(theirs), stage__in=OPEN)
    return list(proposals.select_related("version__environment__workspace").order_by("pk"))


def _record(
    verb: str, proposal: Proposal, digest: str, by: User | None, before: dict[str, Any] | None, after: str
) -> None:
    version = proposal.version
    record(
        verb,
        str(version),
        workspace=version.environment.workspace,
        environment=version.environment,
        actor=by,
        before=before,
        after={"state": str(after)},
        proposal=proposal.pk,
        name=proposal.name,
        image=digest,
    )
