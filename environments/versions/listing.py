"""The list of environments: a row for each, with its latest version."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from environments.models import Environment, ListEntry, Version, Workspace
from environments.paging import BoundedCount, bounded_count

SORTS = {
    "name": ("name",),
    "-name": ("-name",),
    "changed": ("changed_at", "environment_id"),
    "-changed": ("-changed_at", "-environment_id"),
    "packages": ("packages", "name"),
    "-packages": ("-packages", "-name"),
    "kind": ("kind", "name"),
    "-kind": ("-kind", "-name"),
    "base": ("base", "name"),
    "-base": ("-base", "-name"),
}
DEFAULT_SORT = "-changed"
MAX_SEARCH_RESULTS = 1_000  # of a full-text search, which reads each row

M = TypeVar("M", bound=Model)


def listings_of(workspace: Workspace, *, archived: bool = False) -> QuerySet[ListEntry]:
    """Return a workspace's environments (rule 31); archived environments only on request."""
    rows = ListEntry.objects.filter(workspace=workspace)
    return rows if archived else rows.filter(archived=False)


def latest_versions(workspace: Workspace, *, archived: bool = False) -> QuerySet[Version]:
    """Return the latest version of each environment (rule 31); archived environments only on request."""
    versions = Version.objects.filter(list_entry__workspace=workspace)
    versions = versions if archived else versions.filter(list_entry__archived=False)
    return versions.select_related("environment__workspace", "created_by").defer("data", "source")


def search(rows: QuerySet[M], query: str) -> QuerySet[M]:
    """Return the rows that contain every word, in the name, a tag, the description, the base or the text."""
    lookup = "search_text__contains" if rows.model is ListEntry else "list_entry__search_text__contains"
    for word in query.lower().split():
        rows = rows.filter(**{lookup: word})
    return rows


def update_listing(environment: Environment) -> None:
    """Update the row of an environment; to be called after each change of it or its versions."""
    version = environment.latest() or environment.versions.order_by("-created_at", "-pk").first()
    if version is None or environment.anonymous:
        ListEntry.objects.filter(environment=environment).delete()
        return
    tags = [word for tag in version.tags.items() for word in tag]
    texts = [environment.name, version.description, *tags, version.base, version.source, version.hash]
    ListEntry.objects.update_or_create(
        environment=environment,
        defaults={
            "workspace_id": environment.workspace_id,
            "version": version,
            "archived": version.archived_at is not None,
            "name": environment.name.lower(),
            "changed_at": version.created_at,
            "kind": version.kind,
            "base": version.base,
            "packages": version.packages,
            "search_text": "\n".join(map(str, texts)).lower(),
        },
    )


def count_listings(workspaces: list[Workspace]) -> dict[int, BoundedCount]:
    """Return the number of environments that each workspace lists."""
    return {workspace.pk: bounded_count(listings_of(workspace)) for workspace in workspaces}
