"""The condition that a column has one of very many values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import F
from django.db.models.lookups import In


class Among(In):
    """`__in`, but PostgreSQL gets one array: for Django and the driver, each of many parameters is work."""

    lookup_name = "among"

    def get_prep_lookup(self) -> Any:
        """Return the values, which are keys and digests as columns have them."""
        return self.rhs

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the condition as SQL with its parameters."""
        if not self.rhs:
            raise EmptyResultSet
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*parameters, self.rhs]


def among(column: str, values: Iterable[int] | Iterable[str]) -> Among:
    """Return the condition that a column of the rows' own table has one of these values; use it as a filter."""
    return Among(F(column), sorted(set(values)))
