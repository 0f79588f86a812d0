"""Look up bases in their registries: on a schedule, or because somebody requested it. One at a time, with pauses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from builds.imaging.bases.tags import look_up, newer_patch
from builds.imaging.reporting import ImageError
from builds.models import BaseCheck, BaseImage, LastBaseCheck
from builds.rebase.bases import add_missing_checks
from builds.rebase.context import UNREADABLE
from builds.worker.reporter import stopping
from builds.worker.steps import make_workshop
from environments.connections.service import workspace_logins
from environments.definition import ImageReference
from environments.encryption import DecryptionError
from environments.models import Workspace
from environments.public_url import registry_hosts

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5  # between two look-ups of a worker
LEASE = timedelta(minutes=5)
BATCH = 200


def check_when_due() -> int:
    """Queue look-ups of all bases in use if it is time, make those that are due, and return how many."""
    if settings.BASE_CHECK_SECONDS and _take_turn():
        for workspace in Workspace.objects.filter(images__current=True).distinct():
            add_missing_checks(workspace)
    return check_due(lambda: stopping.wait(PAUSE_SECONDS))


def check_due(pause: Callable[[], bool] = lambda: False) -> int:
    """Make the look-ups that are due, at most BATCH, and return how many; `pause` returns True to stop."""
    made = 0
    due = BaseCheck.objects.filter(Q(next_at=None) | Q(next_at__lte=Now()))
    if not settings.BASE_CHECK_SECONDS:
        due = due.filter(requested_at__isnull=False)
    for check in due.select_related("workspace").order_by("next_at", "pk")[:BATCH]:
        mine = due.filter(pk=check.pk).update(next_at=Now() + LEASE)
        if not mine:
            continue  # another worker has it
        check_base(check)
        made += 1
        if pause():
            break
    return made


def check_base(check: BaseCheck) -> None:
    """Look up a base with the credentials of its workspace, and record what it is, or why that is unknown."""
    now = timezone.now()
    later = settings.BASE_CHECK_SECONDS or timedelta(days=3650).total_seconds()
    fields: dict[str, object] = {"next_at": now + timedelta(seconds=later), "problem": ""}
    try:
        workshop = make_workshop(logins=workspace_logins(check.workspace))
        if ImageReference.parse(check.reference).registry in registry_hosts():
            raise ImageError("base-unfit", "It is an image of this studio, which moves with its own base.")
        now_there = look_up(check.reference, check.platforms.split(","), workshop)
        fields |= {
            "digest": now_there.digest,
            "created_at": now_there.created_at,
            "newer": newer_patch(check.reference, workshop),
            "checked_at": now,
        }
        _record_floating(check, now_there.digest)
    except ImageError as error:
        fields["problem"] = str(error)[:400]
    except DecryptionError:
        fields["problem"] = UNREADABLE
    except Exception:
        log.exception("The base %s could not be looked up", check)
        fields["problem"] = "The studio made an error; its log holds the details."
    BaseCheck.objects.filter(pk=check.pk).update(**fields)


def _record_floating(check: BaseCheck, digest: str) -> None:
    """Record what a floating base means now, where builds have looked it up before (rule 18)."""
    key = BaseImage.key_of(check.reference, check.platforms)
    BaseImage.objects.filter(reference=key).update(digest=digest, checked_at=timezone.now())


def _take_turn() -> bool:
    pause = timedelta(seconds=settings.BASE_CHECK_SECONDS)
    row, first = LastBaseCheck.objects.get_or_create(pk=1, defaults={"started_at": Now()})
    # By the database's clock. A time in the future is from before the clock was set back.
    due = Q(started_at__lte=Now() - pause) | Q(started_at__gt=Now() + pause)
    return first or bool(LastBaseCheck.objects.filter(due, pk=row.pk).update(started_at=Now()))
