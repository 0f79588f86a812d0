"""Watch environments for drift: a dry solve a day, a notice when something would change, and a version of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from builds.models import Image
from builds.models.drift import Drift
from builds.queue.requests import image_of, request_build
from environments.audit.record import record
from environments.definition.upgrades.dated import dated
from environments.errors import ConflictError
from environments.models import Environment, ListEntry, Version
from environments.models.notifications import NoticeKind
from environments.notifications.notices import notify
from environments.versions.input import input_of, read_input
from environments.versions.service import check_named

CLAIM_TIMEOUT = timedelta(minutes=10)
BATCH = 500


def drift_of(environment: Environment) -> Drift | None:
    """Return the last check of an environment, if it is watched."""
    return (
        Drift.objects.filter(environment=environment, watched=True)
        .select_related("version__environment__workspace")
        .first()
    )


def drift_at(version: Version) -> Drift | None:
    """Return the last check of a version; None if another version was checked, or none."""
    return Drift.objects.filter(environment=version.environment_id, watched=True, version=version).first()


@transaction.atomic
def watch(environment: Environment, user: User) -> Drift:
    """Check an environment once a day from now on."""
    row, created = Drift.objects.get_or_create(
        environment=environment, defaults={"due_at": timezone.now(), "watched_by": user}
    )
    if created or not row.watched:
        Drift.objects.filter(pk=row.pk).update(watched=True, watched_by=user, due_at=timezone.now())
        _record("environment.watched", environment, user)
    return Drift.objects.get(pk=row.pk)


@transaction.atomic
def unwatch(environment: Environment, user: User) -> None:
    """Check an environment no longer."""
    if Drift.objects.filter(environment=environment, watched=True).update(watched=False):
        _record("environment.unwatched", environment, user)


def check_soon(environment: Environment) -> None:
    """Have an environment that is watched checked by the next idle worker."""
    Drift.objects.filter(environment=environment, watched=True).update(due_at=timezone.now())


def _record(verb: str, environment: Environment, user: User) -> None:
    record(verb, str(environment), workspace=environment.workspace, environment=environment, actor=user)


# For workers


def watch_curated() -> None:
    """Watch every curated environment that is built and was never decided about."""
    built = Image.objects.filter(workspace__curated=True, current=True)
    entries = ListEntry.objects.filter(
        workspace__curated=True,
        archived=False,
        environment__drift=None,
        version__hash__in=built.values("hash"),
    )
    now = timezone.now()
    rows = [
        Drift(environment_id=pk, due_at=now) for pk in entries.values_list("environment", flat=True)[:BATCH]
    ]
    Drift.objects.bulk_create(rows, ignore_conflicts=True)  # another worker may be as fast


def claim_due() -> Drift | None:
    """Claim the check that is due longest; None if none is, or checks are off."""
    if not settings.DRIFT_DAYS:
        return None
    for row in _due()[:10]:
        if Drift.objects.filter(pk=row.pk, claimed_at=row.claimed_at).update(claimed_at=timezone.now()):
            return Drift.objects.select_related("environment__workspace").get(pk=row.pk)
    return None


def has_due() -> bool:
    """Return whether an environment is due for a check."""
    return bool(settings.DRIFT_DAYS) and _due().exists()


def _due() -> QuerySet[Drift]:
    now = timezone.now()
    free = Q(claimed_at=None) | Q(claimed_at__lt=now - CLAIM_TIMEOUT)
    return Drift.objects.filter(free, watched=True, due_at__lte=now).order_by("due_at", "pk")


@transaction.atomic
def record_check(row: Drift, version: Version | None, image: Image | None, **outcome: Any) -> None:
    """Write the outcome of a claimed check, and notify its people when something would change for the first time."""
    own = Drift.objects.filter(pk=row.pk, claimed_at=row.claimed_at)
    now = timezone.now()
    fields: dict[str, Any] = {"changes": [], "base_changed": False, "problem": ""} | outcome
    due = now + timedelta(days=settings.DRIFT_DAYS)
    if not own.update(version=version, image=image, checked_at=now, claimed_at=None, due_at=due, **fields):
        return
    before = row.drifted and row.version_id == (version.pk if version else None)
    after = Drift.objects.select_related("environment__workspace", "watched_by").get(pk=row.pk)
    if version is not None and after.drifted and not before:
        notify(
            {user for user in (after.watched_by, version.created_by) if user is not None},
            NoticeKind.DRIFT,
            f"Built today, {summary_of(after)} in {version}",
            "Its image stays as it is. The page shows what would change.",
            address=f"/w/{after.environment.workspace}/environments/{after.environment.name}/drift/",
        )


def summary_of(row: Drift) -> str:
    """Return what would change, as part of a sentence: `4 packages and the base would change`."""
    count = len(row.changes)
    packages = f"{count} package{'' if count == 1 else 's'}" if count else ""
    return " and ".join(filter(None, (packages, "the base" if row.base_changed else ""))) + " would change"


# The version of it


@transaction.atomic
def make_version(row: Drift, user: User) -> Version:
    """Save the environment as of the last check as its next version, and request its build. Raises ServiceError.

    The definition gets that time as its limit, so that every later build installs the same.
    """
    environment = Environment.objects.select_for_update().get(pk=row.environment_id)
    latest = environment.latest()
    if latest is None or latest.pk != row.version_id or row.checked_at is None or not row.drifted:
        raise ConflictError(
            "checked-before", "A newer version was saved since the last check.", "Check again."
        )
    check_named(latest)
    given = input_of(latest)
    time = row.checked_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    text, same = dated(
        given.text,
        given.reading,
        time,
        lambda text: read_input(text, given.filename, beside=given.beside, selection=given.selection).reading,
    )
    changed = (
        read_input(text, given.filename, beside=given.beside, selection=given.selection)
        if same
        else read_input(text, "environment.yaml")
    )
    saved = changed.save(
        environment.workspace,
        environment.name,
        user=user,
        description=latest.description,
        tags=latest.tags,
        based_on=latest,
    )
    # A rebuild prefers no versions of the previous image.
    request_build(saved.version, user, rebuild=True)
    return saved.version


def latest_with_image(environment: Environment) -> tuple[Version | None, Image | None]:
    """Return the latest version of an environment and its image, if it is built."""
    version = environment.latest()
    return version, image_of(version) if version else None
