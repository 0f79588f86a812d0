"""Environments as the list shows them: one row each, with its latest version."""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.utils.functional import cached_property

from environments.models import Environment, Listing, Version, Workspace

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
MOST_COUNTED = 10_000
MOST_FOUND = 1_000  # by words: each row is read for them

M = TypeVar("M", bound=Model)


def listed(workspace: Workspace, *, archived: bool = False) -> QuerySet[Listing]:
    """Return a workspace's environments (rule 31); archived ones only when asked for."""
    found = Listing.objects.filter(workspace=workspace)
    return found if archived else found.filter(archived=False)


def latest_versions(workspace: Workspace, *, archived: bool = False) -> QuerySet[Version]:
    """Return the latest version of each environment (rule 31); archived environments only when asked for."""
    found = Version.objects.filter(listing__workspace=workspace)
    found = found if archived else found.filter(listing__archived=False)
    return found.select_related("environment__workspace", "created_by").defer("data", "source")


def search(rows: QuerySet[M], query: str) -> QuerySet[M]:
    """Return those in which every word stands: in the name, a tag, the description, the base or the text."""
    words = "words__contains" if rows.model is Listing else "listing__words__contains"
    for word in query.lower().split():
        rows = rows.filter(**{words: word})
    return rows


def keep_listed(environment: Environment) -> None:
    """Write what the lists show of an environment. Whoever changes it or its versions calls this."""
    version = environment.latest() or environment.versions.order_by("-created_at", "-pk").first()
    if version is None or environment.anonymous:
        Listing.objects.filter(environment=environment).delete()
        return
    tags = [word for tag in version.tags.items() for word in tag]
    words = [environment.name, version.description, *tags, version.base, version.source, version.hash]
    Listing.objects.update_or_create(
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
            "words": "\n".join(map(str, words)).lower(),
        },
    )


@dataclass(frozen=True)
class Counted:
    """How many there are; `more` when there are more than anybody counts."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.more else ''}"


def counted(rows: QuerySet[Any], most: int | None = None) -> Counted:
    """Count rows, but not for ever: a page must not take longer because there are a million."""
    # All lists are of a workspace, and so are their indexes: with this column no row is read.
    column = "workspace_id" if hasattr(rows.model, "workspace_id") else "pk"
    return count_up_to(rows.order_by().values(column), most)


def count_up_to(rows: QuerySet[Any], most: int | None = None) -> Counted:
    """Count rows as they are, up to so many."""
    most = MOST_COUNTED if most is None else most
    number = rows[: most + 1].count()
    return Counted(min(number, most), number > most)


class Pages(Paginator):  # type: ignore[type-arg]
    """Pages of a long list. Its rows are found by their keys first, then read; no more than 10,000 are counted.

    With `most`, no more than so many: for rows that are slow to find. With `as_many`, those are counted instead.
    """

    def __init__(
        self,
        rows: QuerySet[Any],
        per_page: int,
        *,
        most: int | None = None,
        as_many: QuerySet[Any] | None = None,
    ) -> None:
        super().__init__(rows, per_page)
        self._most = most
        self._as_many = as_many

    @cached_property
    def found(self) -> Counted:
        """How many rows there are."""
        # What fits on the first page need not be looked for twice.
        first = self._first_keys
        if len(first) <= self.per_page:
            return Counted(len(first))
        return (
            count_up_to(self._as_many, self._most)
            if self._as_many is not None
            else counted(self._all, self._most)
        )

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through."""
        return self.found.number

    def page(self, number: int | str) -> Any:
        """Return a page: what is skipped is skipped in the index."""
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self._first_keys if number == 1 else self._keys[first : first + self.per_page]
        return Page(self._rows(list(keys)[: self.per_page]), number, self)

    @property
    def _all(self) -> QuerySet[Any]:
        assert isinstance(self.object_list, QuerySet)  # noqa: S101
        return self.object_list

    @property
    def _keys(self) -> QuerySet[Any]:
        return self._all.values_list("pk", flat=True)

    @cached_property
    def _first_keys(self) -> list[Any]:
        return list(self._keys[: self.per_page + 1])

    def _rows(self, keys: list[Any]) -> list[Any]:
        rows = {row.pk: row for row in self._all.order_by().filter(pk__in=keys)}
        return [rows[key] for key in keys if key in rows]


def count_listed(workspaces: list[Workspace]) -> dict[int, Counted]:
    """Return how many environments each of these workspaces shows."""
    return {workspace.pk: counted(listed(workspace)) for workspace in workspaces}
