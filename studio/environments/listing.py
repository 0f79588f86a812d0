"""The list of environments: which of them a request wants, and the rows of one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from builds.images.packages import find
from builds.pages import queries
from environments.catalogue.deprecations import deprecations_of
from environments.definition.packages.constraints import BadConstraint
from environments.models import ListEntry, Workspace
from environments.paging import KeysetPaginator
from environments.requests import StudioRequest
from environments.versions.forms import query_param
from environments.versions.listing import DEFAULT_SORT, MAX_SEARCH_RESULTS, SORTS, listings_of
from studio.environments.columns import active_uses

ROWS = 25
NOT_IN_LISTS = ("search_text", "version__data", "version__source")  # long, and not shown


@dataclass(frozen=True)
class ListFilter:
    """The tab, search, archive and order of the list, as the templates read them."""

    tab: str
    shown: Workspace
    query: str
    archived: bool
    sort: str

    @classmethod
    def read(cls, request: StudioRequest, workspace: Workspace, catalogue: Workspace | None) -> ListFilter:
        """Return the filter in a URL; the tab's defaults replace what is missing or unknown."""
        curated = workspace.curated or request.GET.get("tab") == "curated"
        sort = request.GET.get("sort", "")
        return cls(
            tab="curated" if curated else "custom",
            shown=catalogue if curated and catalogue is not None else workspace,
            query=query_param(request, "q"),
            archived=request.GET.get("archived") == "1",
            sort=sort if sort in SORTS else ("name" if curated else DEFAULT_SORT),
        )

    def rows(self) -> QuerySet[ListEntry]:
        """Return the matching environments in order. Raises BadConstraint for a query that cannot be read."""
        rows = find(listings_of(self.shown, archived=self.archived), self.query, self.shown)
        rows = rows.order_by(*SORTS[self.sort])
        return rows.select_related("version__environment__workspace", "version__created_by").defer(
            *NOT_IN_LISTS
        )


def page_context(chosen: ListFilter, columns: list[str], number: str | None) -> dict[str, Any]:
    """Return the template context of one page of the list; only visible columns are queried."""
    problem = ""
    try:
        rows = chosen.rows()
    except BadConstraint as error:
        rows, problem = ListEntry.objects.none(), str(error)
    page = KeysetPaginator(rows, ROWS, most=MAX_SEARCH_RESULTS if chosen.query else None).get_page(number)
    versions = [row.version for row in page]
    with_images = {"image", "size"} & set(columns)
    images = queries.image_states(chosen.shown, [version.hash for version in versions] if with_images else [])
    uses = active_uses([version.environment_id for version in versions]) if "uses" in columns else {}
    return {
        "page": page,
        "problem": problem,
        "rows": [
            (version, images.get(version.hash, queries.NOT_BUILT), uses.get(version.environment_id, 0))
            for version in versions
        ],
        "leaving": deprecations_of(versions) if chosen.tab == "curated" else {},
    }
