"""Results of the tests of images: imports by the image's digest, a definition's own command by digest and command.

Equal images have equal results, so one row serves all workspaces and all later builds.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from builds.models import PENDING, Image, SmokeTest, Trial, TrialState
from builds.queue.trials import record_in_proposals

KNOWN = (TrialState.PASSED, TrialState.FAILED)
MAX_ENDING = 600


def import_test_known(digest: str) -> Trial | None:
    """Return the import test of an image if it has a result; one that could not be run has none."""
    return Trial.objects.filter(digest=digest, state__in=KNOWN).first()


@transaction.atomic
def record_import_test(digest: str, state: TrialState, **outcome: Any) -> None:
    """Record the result of an import test; a result that is there, or under way in another worker, stays."""
    row, created = Trial.objects.get_or_create(
        digest=digest, defaults={"state": state, "ended_at": Now(), **outcome}
    )
    if created:
        record_in_proposals(digest, state)
        return
    replaced = Trial.objects.filter(pk=row.pk, state__in=[TrialState.WAITING, TrialState.UNTRIED])
    empty = {"python": "", "imported": 0, "problems": [], "skipped": [], "reason": ""}
    if replaced.update(state=state, ended_at=Now(), **(empty | outcome)):
        record_in_proposals(digest, state)


def queue_import_test(image: Image) -> None:
    """Queue the import test of a new image, unless there is one for its digest, or nothing to import."""
    packages = (image.lock or {}).get("packages", [])
    if image.interpreter and any(package["requested"] for package in packages):
        Trial.objects.get_or_create(digest=image.digest)


def smoke_test_of(digest: str, command: str) -> SmokeTest | None:
    """Return the result of a command in an image; None if it never ran there."""
    return SmokeTest.objects.filter(digest=digest, command=_key(command)).first()


def record_smoke_test(digest: str, command: str, state: TrialState, *, ending: str, **outcome: Any) -> None:
    """Record how a command ended in an image, in place of an earlier result."""
    fields = {"state": state, "ending": ending[:MAX_ENDING], **outcome}
    SmokeTest.objects.update_or_create(digest=digest, command=_key(command), defaults=fields)


def needs_smoke_test(image: Image, command: str) -> bool:
    """Return whether a definition's command has yet to be run in an image.

    One that failed runs again when the image is requested; one that could not be run counts as done.
    """
    row = smoke_test_of(image.digest, command)
    return row is None or row.state == TrialState.FAILED


def forget_unused(older_than: timedelta) -> None:
    """Delete results of images that no longer exist; a build that is about to end tests its image before it has a row."""
    digests = Image.objects.values("digest")
    old = {"ended_at__lt": timezone.now() - older_than}
    Trial.objects.filter(**old).exclude(digest__in=digests).exclude(state__in=PENDING).delete()
    SmokeTest.objects.filter(**old).exclude(digest__in=digests).delete()


def _key(command: str) -> str:
    return hashlib.sha256(command.encode()).hexdigest()
