"""Offer to heal what was started from an environment that has been healed, where the run did not reach."""

from __future__ import annotations

from collections import defaultdict
from urllib.parse import urlencode

from django.contrib.auth.models import User

from builds.healing.affected import affected_versions
from builds.models.healing import HealItem
from environments.models import Member, Role, Version, Workspace
from environments.models.notifications import NoticeKind
from environments.notifications.notices import notify


def offer_to_derived(item: HealItem) -> int:
    """Notify the contributors of other workspaces whose environments were started from a healed one; return how many."""
    environment = item.environment_id
    derived = Version.objects.filter(based_on__environment=environment).exclude(environment=environment)
    inside = item.run.items.values("environment")
    homes = derived.exclude(environment__in=inside).values("environment__workspace")
    advisories = list(item.run.advisories.all())
    pairs = affected_versions(advisories, Workspace.objects.filter(pk__in=homes, curated=False))
    started = set(derived.values_list("environment", flat=True))
    reached = set(inside.values_list("environment", flat=True))
    names: dict[Workspace, list[str]] = defaultdict(list)
    for pair in pairs:
        own = pair.version.environment
        if pair.own and own.pk in started and own.pk not in reached:
            names[own.workspace].append(own.name)
    query = urlencode({"id": " ".join(sorted(advisory.key for advisory in advisories))})
    sent = 0
    for workspace, derived_names in names.items():
        people = User.objects.filter(
            memberships__in=Member.objects.filter(workspace=workspace, role__gte=Role.CONTRIBUTOR)
        )
        sent += len(
            notify(
                people,
                NoticeKind.HEAL,
                f"{', '.join(sorted(derived_names))} in {workspace} can be healed",
                "What it was started from has been healed. The same change is offered here.",
                address=f"/w/{workspace}/heal/?{query}",
            )
        )
    return sent
