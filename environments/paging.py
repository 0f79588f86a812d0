"""Pagination of long lists, and counts that stop at a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

MAX_COUNTED = 10_000


@dataclass(frozen=True)
class BoundedCount:
    """A number of rows; `more` when counting stopped at the limit."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.more else ''}"


def bounded_count(rows: QuerySet[Any], most: int | None = None) -> BoundedCount:
    """Count the rows of a list, up to a limit: a page must not take longer because there are a million."""
    # Lists and their indexes belong to a workspace: with this column alone no row is read.
    column = "workspace_id" if hasattr(rows.model, "workspace_id") else "pk"
    return count_up_to(rows.order_by().values(column), most)


def count_up_to(rows: QuerySet[Any], most: int | None = None) -> BoundedCount:
    """Count rows as they are, up to a limit."""
    most = MAX_COUNTED if most is None else most
    number = rows[: most + 1].count()
    return BoundedCount(min(number, most), number > most)


class KeysetPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of a long list: the keys of a page are selected first, then its rows; at most 10,000 rows are counted.

    `most` is another limit, for rows that are slow to select. `as_many` are other rows to count instead.
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
    def total(self) -> BoundedCount:
        """The number of rows, up to the limit."""
        # The rows of a single page need no second query.
        first = self._first_keys
        if len(first) <= self.per_page:
            return BoundedCount(len(first))
        return (
            count_up_to(self._as_many, self._most)
            if self._as_many is not None
            else bounded_count(self._all, self._most)
        )

    @cached_property
    def count(self) -> int:
        """The number of rows that can be paged through."""
        return self.total.number

    def page(self, number: int | str) -> Any:
        """Return a page; rows before it are skipped in the index."""
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
