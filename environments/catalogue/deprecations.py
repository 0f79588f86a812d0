"""Curated environments on their way out: deprecated with a day, a reason and a successor, then retired.

Retired is archived (rule 33), and nothing new starts from it; what has started from it before goes on as it is.
"""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from environments.catalogue_models import Deprecation
from environments.models import Environment, Use, Version, Workspace, record
from environments.notices import tell
from environments.outbox import NoticeKind
from environments.proposal_moves import Overtaken
from environments.proposals import MOST_WORDS
from environments.services import Refused, archive_environment, archive_version

GENERATIONS = 10  # starts of starts that are looked through


@dataclass(frozen=True)
class Origin:
    """The curated version that another one was started from, and that it is deprecated."""

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
    """Say that a curated environment, or one version of it, may be retired from a day on. Raises Refused.

    Said again it replaces what was said before, as long as nothing is retired.
    """
    Environment.objects.select_for_update().get(pk=environment.pk)
    before = Deprecation.objects.filter(environment=environment, version=version).first()
    if before is not None and before.retired_at is not None:
        raise Refused("retired", f"{before} is retired already.")
    _check(environment, on, reason.strip(), successor, version)
    made, _ = Deprecation.objects.update_or_create(
        environment=environment,
        version=version,
        defaults={"on": on, "reason": reason.strip(), "successor": successor, "by": by},
    )
    _record(
        "catalogue.deprecated",
        made,
        by,
        before=_told(before) if before else None,
        after=_told(made),
    )
    return made


@transaction.atomic
def retire(deprecation: Deprecation, by: User) -> None:
    """Archive what is deprecated, from its day on: nothing new starts from it. Raises Refused, also while it is used."""
    if deprecation.on > timezone.localdate():
        raise Refused(
            "not-yet",
            f"{deprecation} may be retired from {deprecation.on:%-d %B %Y} on.",
            "People were told that day. Change it if it has to be earlier.",
        )
    now = timezone.now()
    if not Deprecation.objects.filter(pk=deprecation.pk, retired_at=None).update(retired_at=now):
        raise Overtaken(f"{deprecation} was retired, or is kept, in the meantime.")
    deprecation.retired_at = now
    if deprecation.version is not None:
        archive_version(deprecation.version, by)
    else:
        archive_environment(deprecation.environment, by)
    _record("catalogue.retired", deprecation, by)


@transaction.atomic
def keep(deprecation: Deprecation, by: User) -> None:
    """End a deprecation: it is to be used after all, and comes back where it was retired."""
    deleted, _ = Deprecation.objects.filter(pk=deprecation.pk).delete()
    if not deleted:
        raise Overtaken(f"{deprecation} is not deprecated any more.")
    if deprecation.retired_at is not None:
        if deprecation.version is not None:
            archive_version(deprecation.version, by, restore=True)
        else:
            archive_environment(deprecation.environment, by, restore=True)
    _record("catalogue.kept", deprecation, by, before=_told(deprecation))


def deprecations_in(workspace: Workspace) -> QuerySet[Deprecation]:
    """Return all that is deprecated in the catalogue: what may be retired first, retired ones last."""
    found = Deprecation.objects.filter(environment__workspace=workspace)
    return found.select_related(*_WITH).order_by("retired_at", "on", "pk")


def deprecations_of(versions: Iterable[Version]) -> dict[int, Deprecation]:
    """Return the deprecation of each of these versions that has one, its own or its environment's, in one query."""
    asked = list(versions)
    found = Deprecation.objects.filter(
        Q(version__in=[one.pk for one in asked])
        | Q(version=None, environment__in={one.environment_id for one in asked})
    ).select_related(*_WITH)
    own = {one.version_id: one for one in found if one.version_id is not None}
    whole = {one.environment_id: one for one in found if one.version_id is None}
    each = {one.pk: own.get(one.pk) or whole.get(one.environment_id) for one in asked}
    return {pk: one for pk, one in each.items() if one is not None}


def deprecated_origin(version: Version) -> Origin | None:
    """Return the deprecated version that this one was started from, however many starts ago."""
    for start in starts_of(version):
        found = deprecations_of([start]) if start.environment.workspace.curated else {}
        if found:
            return Origin(start, found[start.pk])
    return None


def origin_in_catalogue(version: Version) -> Version | None:
    """Return the curated version that this one was started from, however many starts ago."""
    return next((start for start in starts_of(version) if start.environment.workspace.curated), None)


def starts_of(version: Version) -> Iterator[Version]:
    """Go back from environment to environment: what was taken over from another one last, and what that was."""
    here, seen = version, {version.environment_id}
    for _ in range(GENERATIONS):
        taken = here.environment.versions.filter(number__lte=here.number, based_on__isnull=False)
        step = (
            taken.exclude(based_on__environment=here.environment_id)
            .select_related("based_on__environment__workspace")
            .order_by("-number")
            .first()
        )
        start = step.based_on if step else None
        if start is None or start.environment_id in seen:
            return
        yield start
        seen.add(start.environment_id)
        here = start


_WITH = ("environment__workspace", "version__environment", "successor__workspace", "by")


def _check(
    environment: Environment,
    on: datetime.date,
    reason: str,
    successor: Environment | None,
    version: Version | None,
) -> None:
    if not environment.workspace.curated:
        raise Refused("not-curated", f"{environment} is not in the catalogue: archive it instead.")
    if version is not None and version.environment_id != environment.pk:
        raise Refused("no-such-version", f"{version} is no version of {environment}.")
    if not reason:
        raise Refused("reason-missing", "Say why: everybody who uses it will read it.")
    if len(reason) > MOST_WORDS:
        raise Refused("reason-too-long", f"A reason has up to {MOST_WORDS:,} characters.")
    if on < timezone.localdate():
        raise Refused("date-past", f"{on:%-d %B %Y} is over.", "Choose today or a later day.")
    if successor is None:
        return
    if not successor.workspace.curated:
        raise Refused("successor-not-curated", f"{successor} is not in the catalogue.")
    if successor == environment and version is None:
        raise Refused("successor-itself", f"{environment} cannot come after itself.")
    leaving = Deprecation.objects.filter(environment=successor, version=None).exists()
    if successor.archived_at is not None or leaving:
        raise Refused(
            "successor-deprecated", f"{successor} is on its way out too.", "Choose one that stays, or none."
        )


def _told(deprecation: Deprecation) -> dict[str, str]:
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
    """Keep it for the catalogue's activity, and tell those whose environments started from it."""
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
    people = User.objects.filter(pk__in=_users_of(deprecation))
    address = reverse("environment", args=[environment.workspace.name, environment.name])
    tell(people, NoticeKind.DEPRECATION, _sentence(verb, deprecation), deprecation.reason, address=address)


def _users_of(deprecation: Deprecation) -> set[int]:
    """Return who made what has started from it and is not archived, and who reported that something runs on it."""
    begun = Version.objects.filter(archived_at=None, based_on__environment=deprecation.environment)
    begun = begun.exclude(environment=deprecation.environment)
    if deprecation.version is not None:
        begun = begun.filter(based_on=deprecation.version)
    uses = Use.objects.filter(environment=deprecation.environment, ended_at=None)
    if deprecation.version is not None:
        uses = uses.filter(version=deprecation.version)
    makers = begun.values_list("created_by", "environment__created_by")
    return {pk for row in (*makers, *uses.values_list("reported_by")) for pk in row if pk is not None}


def _sentence(verb: str, deprecation: Deprecation) -> str:
    instead = f"; use {deprecation.successor} instead" if deprecation.successor else ""
    return {
        "catalogue.deprecated": f"{deprecation} may be retired from {deprecation.on:%-d %B %Y} on{instead}",
        "catalogue.retired": f"{deprecation} is retired: nothing new starts from it{instead}",
        "catalogue.kept": f"{deprecation} is not deprecated any more",
    }[verb]
