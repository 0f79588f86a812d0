"""Trials of images that are proposed for the catalogue: what there is to try, who is at it, and what came of it.

Rows are the truth: workers look for what waits. Each write of a worker has its claim in the condition, so one
that lost a trial changes nothing.
"""

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from builds.heartbeats import locked
from builds.models import Image
from builds.trial_models import PENDING, Trial, TrialState
from environments.catalogue_models import OPEN, Proposal
from environments.models import record

MOST_ATTEMPTS = 2
AT_ONCE = 100  # images noted in one look
WORKER_DIED = "The worker died each time it tried the image."


# What there is to see, and what curators ask for


def trial_of(image: Image) -> Trial | None:
    """Return how the trial of an image stands; None where nobody has begun one."""
    return Trial.objects.filter(digest=image.digest).first()


@transaction.atomic
def ask_for_trial(proposal: Proposal, image: Image, by: User) -> bool:
    """Have an image tried, also again; False where that is under way already."""
    trial, made = Trial.objects.get_or_create(digest=image.digest)
    ended = Trial.objects.filter(pk=trial.pk).exclude(state__in=PENDING)
    again = {"python": "", "imported": 0, "problems": [], "skipped": [], "words": "", "ended_at": None}
    if not made and not ended.update(state=TrialState.WAITING, asked_at=Now(), attempt=0, **again):
        return False
    _record("proposal.trial", proposal, image.digest, by, {"state": trial.state}, TrialState.WAITING)
    return True


# What workers do


def note_what_is_proposed() -> None:
    """Let each image that is proposed, and was never tried, wait for a trial."""
    there = Trial.objects.filter(digest=OuterRef("digest"))
    new = _proposed().exclude(Exists(there)).values_list("digest", flat=True).distinct()[:AT_ONCE]
    # Of two workers that note the same one is enough.
    Trial.objects.bulk_create([Trial(digest=digest) for digest in new], ignore_conflicts=True)


def take_next() -> Trial | None:
    """Take the trial that waits longest; None where there is none."""
    for pk in Trial.objects.filter(state=TrialState.WAITING).order_by("asked_at", "pk").values_list("pk"):
        waits = Trial.objects.filter(pk=pk[0], state=TrialState.WAITING)
        claim = uuid.uuid4()
        taken = {"state": TrialState.RUNNING, "claim": claim, "heartbeat_at": Now()}
        if waits.update(**taken, attempt=F("attempt") + 1):
            return Trial.objects.filter(claim=claim).first()
    return None


def anything_to_try() -> bool:
    """Whether a trial waits for a worker."""
    return Trial.objects.filter(state=TrialState.WAITING).exists()


def beat(trial: Trial) -> bool:
    """Say that its worker lives; False where it is another's now."""
    return bool(_held(trial).update(heartbeat_at=Now()))


def give_back(trial: Trial) -> None:
    """Let a trial wait again, as if nobody had begun it."""
    _held(trial).update(state=TrialState.WAITING, claim=None, attempt=F("attempt") - 1)


def take_away(silent: Iterable[Trial]) -> None:
    """Let trials whose workers have died wait again, and give up those whose workers died each time."""
    for trial in silent:
        _take_away(trial)


@transaction.atomic
def _take_away(seen: Trial) -> None:
    trial = locked(seen)
    if trial is None:
        return
    if trial.attempt < MOST_ATTEMPTS:
        _held(trial).update(state=TrialState.WAITING, claim=None)
    else:
        end(trial, TrialState.UNTRIED, words=WORKER_DIED)


@transaction.atomic
def end(trial: Trial, state: TrialState, **found: Any) -> None:
    """Write down what came of a trial, and record it where the image is proposed, both or neither."""
    if not _held(trial).update(state=state, claim=None, ended_at=Now(), **found):
        return
    for proposal in _proposals_with(trial.digest):
        _record("proposal.tried", proposal, trial.digest, None, None, state)


def _held(trial: Trial) -> QuerySet[Trial]:
    return Trial.objects.filter(pk=trial.pk, state=TrialState.RUNNING, claim=trial.claim)


def _proposed() -> QuerySet[Image]:
    """Return the images that reviewers of open proposals see: the catalogue's, or the workspace's own."""
    waiting = Proposal.objects.filter(stage__in=OPEN)
    theirs = Q(workspace__curated=True) | Q(workspace__in=waiting.values("environment__workspace"))
    return Image.objects.filter(theirs, current=True, hash__in=waiting.values("version__hash"))


def _proposals_with(digest: str) -> list[Proposal]:
    images = Image.objects.filter(digest=digest, current=True, hash=OuterRef("version__hash"))
    theirs = images.filter(Q(workspace__curated=True) | Q(workspace=OuterRef("environment__workspace")))
    found = Proposal.objects.filter(Exists(theirs), stage__in=OPEN)
    return list(found.select_related("version__environment__workspace").order_by("pk"))


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
