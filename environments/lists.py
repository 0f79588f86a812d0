"""Environments as the list shows them: one row each, with its latest version."""

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Lower

from environments.models import Environment, Event, Version, Workspace

SORTS = {
    "name": (Lower("environment__name"),),
    "-name": (Lower("environment__name").desc(),),
    "changed": ("created_at", "pk"),
    "-changed": ("-created_at", "-pk"),
    "packages": ("packages", Lower("environment__name")),
    "-packages": ("-packages", Lower("environment__name")),
    "kind": ("kind", Lower("environment__name")),
    "-kind": ("-kind", Lower("environment__name")),
    "base": ("base", Lower("environment__name")),
    "-base": ("-base", Lower("environment__name")),
}
DEFAULT_SORT = "-changed"


def latest_versions(workspace: Workspace, *, archived: bool = False) -> QuerySet[Version]:
    """Return the latest version of each environment (rule 31); archived environments only when asked for."""
    siblings = Version.objects.filter(environment=OuterRef("environment"))
    if not archived:
        siblings = siblings.filter(archived_at=None)
    newest = siblings.order_by("-created_at", "-pk").values("pk")[:1]
    return Version.objects.filter(
        environment__workspace=workspace, environment__anonymous=False, pk=Subquery(newest)
    ).select_related("environment__workspace", "created_by")


def search(versions: QuerySet[Version], query: str) -> QuerySet[Version]:
    """Return those in which every word stands: in the name, a tag, the description, the base or the text."""
    for word in query.split():
        versions = versions.annotate(tags_text=Cast("tags", TextField())).filter(
            Q(environment__name__icontains=word)
            | Q(description__icontains=word)
            | Q(tags_text__icontains=word)
            | Q(base__icontains=word)
            | Q(source__icontains=word)
            | Q(hash__startswith=word.lower())
        )
    return versions


def count_listed(workspaces: list[Workspace]) -> dict[int, int]:
    """Return how many environments each of these workspaces shows."""
    rows = (
        Environment.objects.listed()
        .filter(workspace__in=workspaces)
        .order_by()
        .values_list("workspace")
        .annotate(Count("pk"))
    )
    return dict(rows)


def activity_of(workspace: Workspace) -> QuerySet[Event]:
    """Return what happened in a workspace, newest first."""
    return (
        Event.objects.filter(workspace=workspace)
        .select_related("actor", "environment__workspace")
        .order_by("-pk")
    )
