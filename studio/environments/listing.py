"""The list of environments: which of them a request wants, the rows of one page, and why each is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import BooleanField, Case, QuerySet, When

from builds.exposure.columns import exposure_of
from builds.pages import queries
from builds.search.conditions import Entries, find, matching_entries
from builds.search.facets import facets_of
from builds.search.matches import Hit, Matches, matches_on, older_hits
from builds.search.query import SearchQuery
from environments.catalogue.deprecations import deprecations_of
from environments.definition.packages.constraints import BadConstraint
from environments.models import ListEntry, Pin, SavedView, Workspace
from environments.paging import BoundedCount, KeysetPaginator, bounded_count
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from environments.versions.listing import (
    DEFAULT_SORT,
    MAX_SEARCH_RESULTS,
    SORTS,
    count_listings,
    entries_of,
    listings_of,
)
from studio.environments.columns import active_uses

ROWS = 25
NOT_IN_LISTS = ("version__data", "version__source")  # long, and not shown
LONGEST_QUERY = 1_000  # characters
FILTER_FIELDS = ("tab", "shown", "query", "archived", "sort", "all_versions")  # for the templates


@dataclass(frozen=True)
class ListFilter:
    """The tab, search, archive and order of the list, as the templates read them."""

    tab: str
    shown: Workspace
    query: str
    archived: bool
    sort: str
    all_versions: bool = False
    person: User | None = None
    search: SearchQuery = field(default_factory=SearchQuery)
    problem: str = ""

    @classmethod
    def read(cls, request: StudioRequest, workspace: Workspace, catalogue: Workspace | None) -> ListFilter:
        """Return the filter in a URL; the tab's defaults replace what is missing or unknown."""
        curated = workspace.curated or request.GET.get("tab") == "curated"
        sort = request.GET.get("sort", "")
        text = query_param(request, "q")[:LONGEST_QUERY]
        search, problem = SearchQuery(), ""
        try:
            search = SearchQuery.read(text)
        except BadConstraint as error:
            problem = str(error)
        return cls(
            tab="curated" if curated else "custom",
            shown=catalogue if curated and catalogue is not None else workspace,
            query=text,
            archived=request.GET.get("archived") == "1",
            sort=sort if sort in SORTS else ("name" if curated else DEFAULT_SORT),
            all_versions=request.GET.get("versions") == "all",
            person=request.user,
            search=search,
            problem=problem,
        )

    def matching(self, workspace: Workspace) -> QuerySet[ListEntry]:
        """Return the matching environments of a workspace. Raises BadConstraint."""
        if self.problem:
            raise BadConstraint(self.problem)
        listed = listings_of(workspace, archived=self.archived)
        return find(listed, self.search, workspace, user=self.person, all_versions=self.all_versions)

    def rows(self) -> QuerySet[ListEntry]:
        """Return the matching environments in order, pinned ones first. Raises BadConstraint."""
        rows, order = self.matching(self.shown), SORTS[self.sort]
        if pinned := self.pinned:
            first = Case(When(pk__in=pinned, then=True), default=False, output_field=BooleanField())
            rows, order = rows.alias(pinned=first), ("-pinned", *order)
        rows = rows.order_by(*order)
        return rows.select_related("version__environment__workspace", "version__created_by").defer(
            *NOT_IN_LISTS
        )

    @cached_property
    def pinned(self) -> list[int]:
        """The environments of the tab that the person pinned."""
        pins = Pin.objects.filter(user=self.person, environment__workspace=self.shown)
        return list(pins.values_list("environment", flat=True)) if self.person else []

    def entries(self, *, all_versions: bool | None = None) -> Entries:
        """Return what the search reads: the latest or all versions, archived ones where they are shown."""
        every = self.all_versions if all_versions is None else all_versions
        return entries_of(self.shown, archived=self.archived, all_versions=every)

    def params(self, **changed: str) -> str:
        """Return the list's URL parameters with some changed; empty ones and defaults are left out."""
        usual = "name" if self.tab == "curated" else DEFAULT_SORT
        params = {
            "tab": "curated" if self.tab == "curated" else "",
            "q": self.query,
            "versions": "all" if self.all_versions else "",
            "archived": "1" if self.archived else "",
            "sort": "" if self.sort == usual else self.sort,
        }
        return urlencode({name: value for name, value in (params | changed).items() if value})


def page_context(chosen: ListFilter, columns: list[str], number: str | None) -> dict[str, Any]:
    """Return the template context of one page of the list; only visible columns are queried."""
    problem = chosen.problem
    try:
        rows = chosen.rows()
    except BadConstraint as error:
        rows, problem = ListEntry.objects.none(), str(error)
    try:
        return _page(chosen, columns, number, rows) | {"problem": problem}
    except BadConstraint as error:
        return _page(chosen, columns, number, ListEntry.objects.none()) | {"problem": str(error)}


def _page(
    chosen: ListFilter, columns: list[str], number: str | None, rows: QuerySet[ListEntry]
) -> dict[str, Any]:
    page = KeysetPaginator(rows, ROWS, most=MAX_SEARCH_RESULTS if chosen.query else None).get_page(number)
    versions = [row.version for row in page]
    environments = [version.environment_id for version in versions]
    with_images = {"image", "size"} & set(columns)
    images = queries.image_states(chosen.shown, [version.hash for version in versions] if with_images else [])
    uses = active_uses(environments) if "uses" in columns else {}
    hashes = [version.hash for version in versions]
    exposures = exposure_of(hashes, chosen.shown) if "vulnerabilities" in columns else {}
    matches = _matches(chosen, environments)
    pinned = set(chosen.pinned)
    return {
        "page": page,
        "rows": [
            (
                version,
                images.get(version.hash, queries.NOT_BUILT),
                uses.get(version.environment_id, 0),
                matches.get(version.environment_id),
                version.environment_id in pinned,
                exposures.get(version.hash),
            )
            for version in versions
        ],
        "leaving": deprecations_of(versions) if chosen.tab == "curated" else {},
    }


def _matches(chosen: ListFilter, environments: list[int]) -> dict[int, Matches]:
    if not chosen.search.terms or not environments:
        return {}
    return matches_on(chosen.entries(), environments, chosen.search, chosen.shown, chosen.person)


def search_context(chosen: ListFilter, page: dict[str, Any]) -> dict[str, Any]:
    """Return what the list says of its search: facets, hits in older versions, and how many there are of how many."""
    readable = not page["problem"]
    entries = chosen.entries()
    if readable:
        entries = matching_entries(entries, chosen.search, chosen.shown, chosen.person)
    searching = bool(chosen.search.terms) and readable
    older: list[Hit] = []
    more_older = False
    if searching and not chosen.all_versions:
        every = chosen.entries(all_versions=True)
        older, more_older = older_hits(every, chosen.search, chosen.shown, chosen.person)
    return {
        "facets": facets_of(entries, chosen.search, chosen.shown) if readable else [],
        "searching": searching,
        "older": older,
        "more_older": more_older,
        "matched": page["page"].paginator.total,
        "list_params": chosen.params(q=""),
        "wider_params": chosen.params(versions="all"),
        "narrower_params": chosen.params(versions=""),
        "with_archived_params": chosen.params(archived="1"),
        "clear_params": chosen.params(q="", archived=""),
        "other_tab_params": chosen.params(tab="" if chosen.tab == "curated" else "curated"),
        "query_param": urlencode({"q": chosen.query}) if chosen.query else "",
    }


def tab_counts(
    chosen: ListFilter, page: dict[str, Any], workspace: Workspace, catalogue: Workspace | None
) -> dict[str, Any]:
    """Return how many environments each tab has, those that match the search where there is one."""
    tabs = [workspace, *([catalogue] if catalogue and catalogue != workspace else [])]
    everything = count_listings(tabs)
    counts = everything
    if chosen.search.terms and not page["problem"]:
        counts = {
            tab.pk: page["page"].paginator.total
            if tab == chosen.shown
            else bounded_count(chosen.matching(tab), MAX_SEARCH_RESULTS)
            for tab in tabs
        }
    none = BoundedCount(0)
    return {
        "custom_count": counts[workspace.pk],
        "curated_count": counts[catalogue.pk] if catalogue else none,
        "all_count": everything.get(chosen.shown.pk, none),
        "other_count": next((counts[tab.pk] for tab in tabs if tab != chosen.shown), none),
    }


def views_context(chosen: ListFilter, workspace: Workspace) -> dict[str, Any]:
    """Return the searches that a person saved in a workspace, and which of them is shown."""
    now = chosen.params()
    saved = list(SavedView.objects.filter(user=chosen.person, workspace=workspace))
    return {"saved_views": saved, "this_view": now, "is_saved": any(view.query == now for view in saved)}
