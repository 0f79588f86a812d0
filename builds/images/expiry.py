"""The end of anonymous versions: those that nothing has used for STUDIO_ANONYMOUS_DAYS are removed (rule 32)."""

from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from builds.models import ACTIVE, Build, BuildRequest
from environments.audit.record import record
from environments.models import Environment, Usage, Version

BATCH = 500
NAMED = 50  # in the event


def expired() -> QuerySet[Version]:
    """Return the anonymous versions that were not submitted, built or requested for STUDIO_ANONYMOUS_DAYS.

    A version that a run, model or deployment has ever reported stays: it remains retrievable (rule 34).
    """
    if not settings.ANONYMOUS_DAYS:
        return Version.objects.none()
    before = timezone.now() - timedelta(days=settings.ANONYMOUS_DAYS)
    requests = BuildRequest.objects.filter(version=OuterRef("pk"), created_at__gte=before)
    builds = Build.objects.filter(version=OuterRef("pk"), state__in=ACTIVE)
    old = Version.objects.filter(environment__anonymous=True, submitted_at__lt=before)
    used = Usage.objects.filter(version=OuterRef("pk"))
    return old.filter(~Exists(used), ~Exists(requests), ~Exists(builds))


def remove_expired() -> int:
    """Remove the expired anonymous versions, and return how many. Their images go by the rule of their workspace."""
    removed = 0
    rows = expired().order_by("pk").values_list("environment_id", "pk")[:BATCH]
    by_environment: dict[int, list[int]] = defaultdict(list)
    for environment, version in rows:
        by_environment[environment].append(version)
    for environment, versions in by_environment.items():
        removed += _remove(environment, versions)
    return removed


@transaction.atomic
def _remove(key: int, versions: list[int]) -> int:
    # A concurrent submission or report of a use waits here, or came first and keeps the version.
    environment = Environment.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=key)
    going = list(expired().filter(pk__in=versions).defer("data", "source"))
    if not going:
        return 0
    for version in going:
        _keep_builds_of_others(version, environment)
    names = [f"{environment}:{version.version}" for version in going]
    Version.objects.filter(pk__in=[version.pk for version in going]).delete()
    # The environment's row stays: events refer to it.
    record(
        "version.expired",
        f"{len(names)} anonymous version{'' if len(names) == 1 else 's'}",
        workspace=environment.workspace,
        environment=environment,
        versions=names[:NAMED],
    )
    return len(names)


def _keep_builds_of_others(version: Version, environment: Environment) -> None:
    """Give the builds of a version to another version with the same content, which may have waited for them."""
    same = Version.objects.filter(hash=version.hash, environment__workspace=environment.workspace_id)
    other = same.exclude(pk=version.pk).order_by("environment__anonymous", "pk").only("pk").first()
    if other is not None:
        Build.objects.filter(version=version.pk).update(version=other.pk)
