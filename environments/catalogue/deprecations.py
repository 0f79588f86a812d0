"""Deprecation of curated environments: announced with a day, a reason and a successor, then retired.

A retired environment is archived (rule 33), and nothing new starts from it; environments that did are unaffected.
"""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from environments.audit.record import record
from environments.catalogue.proposals import MAX_COMMENT_LENGTH
from environments.catalogue.transitions import StaleReview
from environments.errors import ConflictError, ServiceError
from environments.models import Environment, Usage, Version, Workspace
from environments.models.catalogue import Deprecation
from environments.models.notifications import NoticeKind
from environments.notifications.notices import notify
from environments.versions.service import archive_environment, archive_version

MAX_GENERATIONS = 10  # of ancestors that are searched


@dataclass(frozen=True)
class DeprecatedAncestor:
    """The deprecated curated version that a version descends from."""

    version: Version
    deprecation: Deprecation


@transaction.atomic
def deprecate(
    environment: Environment,
    by: User,
    *,
    on: datetime.date,
    reason: str,
    successor: Environment | None = None,
    version: Version | None = None,
) -> Deprecation:
    """Announce that a curated environment, or a version of it, may be retired from a day on. Raises ServiceError.

    A second announcement replaces the first, unless it is retired.
    """
    Environment.objects.select_for_update().get(pk=environment.pk)
    before = Deprecation.objects.filter(environment=environment, version=version).first()
    if before is not None and before.retired_at is not None:
        raise ConflictError("retired", f"{before} is retired already.")
    _check(environment, on, reason.strip(), successor, version)
    deprecation, _ = Deprecation.objects.update_or_create(
        environment=environment,
        version=version,
        defaults={"on": on, "reason": reason.strip(), "successor": successor, "by": by},
    )
    _record(
        "catalogue.deprecated",
        deprecation,
        by,
        before=deprecation_as_json(before) if before else None,
        after=deprecation_as_json(deprecation),
    )
    return deprecation


@transaction.atomic
def retire(deprecation: Deprecation, by: User) -> None:
    """Archive a deprecated environment or version, from its day on. Raises ServiceError, also while it is used."""
    if deprecation.on > timezone.localdate():
        raise ConflictError(
            "not-yet",
            f"{deprecation} may be retired on {deprecation.on:%-d %b %Y} or later.",
            "Its users were notified of that day. To retire it earlier, change the day.",
        )
    now = timezone.now()
    if not Deprecation.objects.filter(pk=deprecation.pk, retired_at=None).update(retired_at=now):
        raise StaleReview(f"{deprecation} was retired, or its deprecation was undone, in the meantime.")
    deprecation.retired_at = now
    if deprecation.version is not None:
        archive_version(deprecation.version, by)
    else:
        archive_environment(deprecation.environment, by)
    _record("catalogue.retired", deprecation, by)


@transaction.atomic
def cancel_deprecation(deprecation: Deprecation, by: User) -> None:
    """End a deprecation, and restore what was retired."""
    deleted, _ = Deprecation.objects.filter(pk=deprecation.pk).delete()
    if not deleted:
        raise StaleReview(f"{deprecation} is no longer deprecated.")
    if deprecation.retired_at is not None:
        if deprecation.version is not None:
            archive_version(deprecation.version, by, restore=True)
        else:
            archive_environment(deprecation.environment, by, restore=True)
    _record("catalogue.kept", deprecation, by, before=deprecation_as_json(deprecation))


def catalogue_deprecations(workspace: Workspace) -> QuerySet[Deprecation]:
    """Return the deprecations of the catalogue: by the day of retirement, retired last."""
    rows = Deprecation.objects.filter(environment__workspace=workspace)
    return rows.select_related(*_RELATED).order_by("retired_at", "on", "pk")


def deprecations_of(versions: Iterable[Version]) -> dict[int, Deprecation]:
    """Return the deprecations of versions, their own or their environment's, by version, in a single query."""
    versions = list(versions)
    rows = Deprecation.objects.filter(
        Q(version__in=[version.pk for version in versions])
        | Q(version=None, environment__in={version.environment_id for version in versions})
    ).select_related(*_RELATED)
    of_version = {row.version_id: row for row in rows if row.version_id is not None}
    of_environment = {row.environment_id: row for row in rows if row.version_id is None}
    of_each = {
        version.pk: of_version.get(version.pk) or of_environment.get(version.environment_id)
        for version in versions
    }
    return {pk: row for pk, row in of_each.items() if row is not None}


def deprecated_ancestor(version: Version) -> DeprecatedAncestor | None:
    """Return the nearest deprecated ancestor of a version."""
    for ancestor in ancestors_of(version):
        deprecations = deprecations_of([ancestor]) if ancestor.environment.workspace.curated else {}
        if deprecations:
            return DeprecatedAncestor(ancestor, deprecations[ancestor.pk])
    return None


def curated_ancestor(version: Version) -> Version | None:
    """Return the nearest curated ancestor of a version."""
    return next(
        (ancestor for ancestor in ancestors_of(version) if ancestor.environment.workspace.curated), None
    )


def ancestors_of(version: Version) -> Iterator[Version]:
    """Yield the versions that a version descends from, in other environments, the nearest first."""
    current, seen = version, {version.environment_id}
    for _ in range(MAX_GENERATIONS):
        derived = current.environment.versions.filter(number__lte=current.number, based_on__isnull=False)
        last = (
            derived.exclude(based_on__environment=current.environment_id)
            .select_related("based_on__environment__workspace")
            .order_by("-number")
            .first()
        )
        ancestor = last.based_on if last else None
        if ancestor is None or ancestor.environment_id in seen:
            return
        yield ancestor
        seen.add(ancestor.environment_id)
        current = ancestor


_RELATED = ("environment__workspace", "version__environment", "successor__workspace", "by")


def _check(
    environment: Environment,
    on: datetime.date,
    reason: str,
    successor: Environment | None,
    version: Version | None,
) -> None:
    if not environment.workspace.curated:
        raise ServiceError("not-curated", f"{environment} is not in the catalogue. Archive it instead.")
    if version is not None and version.environment_id != environment.pk:
        raise ServiceError("no-such-version", f"{version} is not a version of {environment}.")
    if not reason:
        raise ServiceError("reason-missing", "Say why: its users read this.")
    if len(reason) > MAX_COMMENT_LENGTH:
        raise ServiceError("reason-too-long", f"A reason has up to {MAX_COMMENT_LENGTH:,} characters.")
    if on < timezone.localdate():
        raise ServiceError("date-past", f"{on:%-d %b %Y} is in the past.", "Choose today or a later day.")
    if successor is None:
        return
    if not successor.workspace.curated:
        raise ServiceError("successor-not-curated", f"{successor} is not in the catalogue.")
    if successor == environment and version is None:
        raise ServiceError("successor-itself", f"{environment} can't replace itself.")
    deprecated = Deprecation.objects.filter(environment=successor, version=None).exists()
    if successor.archived_at is not None or deprecated:
        raise ServiceError(
            "successor-deprecated", f"{successor} is deprecated too.", "Choose another one, or none."
        )


def deprecation_as_json(deprecation: Deprecation) -> dict[str, str]:
    successor = deprecation.successor
    return {
        "on": deprecation.on.isoformat(),
        "reason": deprecation.reason,
        "successor": successor.name if successor else "",
    }


def _record(
    verb: str,
    deprecation: Deprecation,
    by: User,
    *,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    """Record an event of the catalogue, and notify the affected users."""
    environment = deprecation.environment
    record(
        verb,
        str(deprecation),
        workspace=environment.workspace,
        environment=environment,
        actor=by,
        before=before,
        after=after,
    )
    people = User.objects.filter(pk__in=_affected_users(deprecation))
    address = reverse("environment", args=[environment.workspace.name, environment.name])
    notify(people, NoticeKind.DEPRECATION, _subject(verb, deprecation), deprecation.reason, address=address)


def _affected_users(deprecation: Deprecation) -> set[int]:
    """Return the makers of active descendants and the reporters of active uses."""
    descendants = Version.objects.filter(archived_at=None, based_on__environment=deprecation.environment)
    descendants = descendants.exclude(environment=deprecation.environment)
    if deprecation.version is not None:
        descendants = descendants.filter(based_on=deprecation.version)
    uses = Usage.objects.filter(environment=deprecation.environment, ended_at=None)
    if deprecation.version is not None:
        uses = uses.filter(version=deprecation.version)
    makers = descendants.values_list("created_by", "environment__created_by")
    return {pk for row in (*makers, *uses.values_list("reported_by")) for pk in row if pk is not None}


def _subject(verb: str, deprecation: Deprecation) -> str:
    instead = f"; use {deprecation.successor} instead" if deprecation.successor else ""
    return {
        "catalogue.deprecated": f"{deprecation} may be retired on {deprecation.on:%-d %b %Y} or later{instead}",
        "catalogue.retired": f"{deprecation} is retired: nothing new starts from it{instead}",
        "catalogue.kept": f"{deprecation} is no longer deprecated",
    }[verb]
