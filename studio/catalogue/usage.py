"""Uses of curated environments: environments started from them, reported uses, and builds they saved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, F

from builds.models import BuildRequest, Image
from environments.models import Usage, Version


@dataclass(frozen=True)
class Use:
    """The uses of a curated environment, as numbers only: whose they are stays in their workspaces."""

    started: int = 0  # environments of workspaces that were started from it
    reported: int = 0  # active runs, models and deployments
    reused: int = 0  # requests that its image answered without a build

    @property
    def total(self) -> int:
        """All uses together."""
        return self.started + self.reported + self.reused


NO_USE = Use()


def count_uses(versions: Iterable[Version], images: Iterable[Image]) -> dict[int, Use]:
    """Return the uses by environment id, in three queries."""
    versions = list(versions)
    environments = [version.environment_id for version in versions]
    derived = Version.objects.filter(based_on__environment__in=environments, archived_at=None)
    derived = derived.exclude(environment=F("based_on__environment")).order_by()
    started = dict(derived.values_list("based_on__environment").annotate(Count("environment", distinct=True)))
    answered = BuildRequest.objects.filter(reused=True, image__in=[image.pk for image in images])
    by_hash = dict(answered.order_by().values_list("image__hash").annotate(Count("pk")))
    active = Usage.objects.filter(environment__in=environments, ended_at=None).order_by()
    reported = dict(active.values_list("environment").annotate(Count("pk")))
    return {
        version.environment_id: Use(
            started=started.get(version.environment_id, 0),
            reported=reported.get(version.environment_id, 0),
            reused=by_hash.get(version.hash, 0),
        )
        for version in versions
    }
