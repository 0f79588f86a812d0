"""Lists in pages: a link to the next page, which begins after the last row of this page."""

from typing import Any, TypeVar
from urllib.parse import quote

from django.db.models import Model, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from studio.azure.addresses import base_url

PAGE, MAX_PAGE = 100, 1_000
MAX_NUMBER = 2**31
_SKIP = "$skipToken"
_VIEWS = {
    "activeonly": Q(archived_at=None),
    "archivedonly": Q(archived_at__isnull=False),
    "all": Q(),
}

Row = TypeVar("Row", bound=Model)


def filter_of(request: Request) -> Q:
    """Return the filter that `listViewType` names: active rows if it is left out."""
    name = request.query_params.get("listViewType", "ActiveOnly")
    if name.lower() not in _VIEWS:
        raise ValidationError({"listViewType": ["ActiveOnly, ArchivedOnly or All."]})
    return _VIEWS[name.lower()]


def page_size(request: Request) -> int:
    """Return how many rows were requested (`$top`)."""
    text = request.query_params.get("$top", str(PAGE))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise ValidationError({"$top": ["A number of rows, 1 or more."]})
    return min(int(text), MAX_PAGE)


def page_by_name(request: Request, rows: QuerySet[Row]) -> tuple[list[Row], str | None]:
    """Return a page of rows by name, and the link to the next page."""
    after = request.query_params.get(_SKIP)
    if after:
        rows = rows.filter(name__gt=after)
    return _page(request, rows.order_by("name"), "name")


def page_by_number(request: Request, rows: QuerySet[Row]) -> tuple[list[Row], str | None]:
    """Return a page of rows by number, the highest first, and the link to the next page."""
    before = request.query_params.get(_SKIP)
    if before:
        if not (before.isascii() and before.isdigit() and len(before) < 10):
            raise ValidationError({_SKIP: ["Follow nextLink: a position can't be made up."]})
        rows = rows.filter(number__lt=min(int(before), MAX_NUMBER - 1))
    return _page(request, rows.order_by("-number"), "number")


def _page(request: Request, rows: QuerySet[Row], position: str) -> tuple[list[Row], str | None]:
    size = page_size(request)
    page = list(rows[: size + 1])
    if len(page) <= size:
        return page, None
    query = request.query_params.copy()
    query[_SKIP] = str(getattr(page[size - 1], position))
    # Azure's `$top` is a page's size to the SDKs, which follow the link in any case.
    return page[:size], f"{base_url(request)}{quote(request.path)}?{query.urlencode()}"


def listed(values: list[dict[str, Any]], next_link: str | None) -> dict[str, Any]:
    """Return a page as the SDKs read it."""
    return {"value": values} | ({"nextLink": next_link} if next_link else {})
