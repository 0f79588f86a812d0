"""The list of environments: a row for each, with its latest version."""

from django.db.models import BooleanField, Case, QuerySet, When

from environments.definition.packages.requested import as_lines, frameworks_of, requested_packages
from environments.models import (
    Environment,
    ListEntry,
    RequestedPackage,
    Version,
    VersionEntry,
    Workspace,
)
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


def listings_of(workspace: Workspace, *, archived: bool = False) -> QuerySet[ListEntry]:
    """Return a workspace's environments (rule 31); archived environments only on request."""
    rows = ListEntry.objects.filter(workspace=workspace)
    return rows if archived else rows.filter(archived=False)


def latest_versions(workspace: Workspace, *, archived: bool = False) -> QuerySet[Version]:
    """Return the latest version of each environment (rule 31); archived environments only on request."""
    versions = Version.objects.filter(list_entry__workspace=workspace)
    versions = versions if archived else versions.filter(list_entry__archived=False)
    return versions.select_related("environment__workspace", "created_by").defer("data", "source")


def entries_of(
    workspace: Workspace, *, archived: bool = False, all_versions: bool = False
) -> QuerySet[VersionEntry]:
    """Return what searches read: the latest version of each environment, or all its versions."""
    entries = VersionEntry.objects.filter(workspace=workspace)
    entries = entries if all_versions else entries.filter(latest=True)
    return entries if archived else entries.filter(archived=False)


def update_listing(environment: Environment, changed: Version | None = None) -> None:
    """Update the rows of an environment; to be called after each change of it or its versions.

    `changed` is a version whose description or tags have changed.
    """
    version = environment.latest() or environment.versions.order_by("-created_at", "-pk").first()
    if version is None or environment.anonymous:
        ListEntry.objects.filter(environment=environment).delete()
        VersionEntry.objects.filter(environment=environment).delete()
        RequestedPackage.objects.filter(version__environment=environment).delete()
        return
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
        },
    )
    _update_entries(environment, latest=version, changed=changed)


def _update_entries(environment: Environment, *, latest: Version, changed: Version | None) -> None:
    """Add the entries that are missing, write that of a changed version again, and set the flags of all."""
    new = list(environment.versions.filter(entry=None))
    VersionEntry.objects.bulk_create([_entry(environment, version) for version in new])
    requests = [row for version in new for row in _requested(version)]
    RequestedPackage.objects.filter(version__in=new).delete()
    RequestedPackage.objects.bulk_create(requests, batch_size=500)
    if changed is not None and changed not in new:
        _entry(environment, changed).save(force_update=True)
    entries = VersionEntry.objects.filter(environment=environment)
    is_latest = Case(When(pk=latest.pk, then=True), default=False, output_field=BooleanField())
    archived = environment.versions.filter(archived_at__isnull=False).values("pk")
    is_archived = Case(When(pk__in=archived, then=True), default=False, output_field=BooleanField())
    entries.update(latest=is_latest, archived=is_archived)


def _entry(environment: Environment, version: Version) -> VersionEntry:
    tags = [f"{name}={value}" if value else name for name, value in version.tags.items()]
    texts = [environment.name, f"{environment.name}:{version.version}", version.description, *tags]
    requested = [package.name for package in _requested(version)]
    return VersionEntry(
        version=version,
        environment=environment,
        workspace_id=environment.workspace_id,
        number=version.number,
        archived=version.archived_at is not None,
        hash=version.hash,
        kind=version.kind,
        base=version.base,
        created_by_id=version.created_by_id,
        tags=as_lines(tags),
        frameworks=as_lines(frameworks_of(requested, version.tags)),
        search_text="\n".join([*texts, version.base, version.source, version.hash]).lower(),
    )


def _requested(version: Version) -> list[RequestedPackage]:
    python = version.data.get("python", {})
    specs = requested_packages(python.get("pip", ()), python.get("conda", ()))
    return [
        RequestedPackage(
            version=version,
            ecosystem=spec.ecosystem,
            name=spec.name,
            exact=spec.exact,
            constraint=spec.constraint,
        )
        for spec in specs
    ]


def count_listings(workspaces: list[Workspace]) -> dict[int, BoundedCount]:
    """Return the number of environments that each workspace lists."""
    return {workspace.pk: bounded_count(listings_of(workspace)) for workspace in workspaces}
