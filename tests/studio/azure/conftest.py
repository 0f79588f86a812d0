"""The database of tests with anything in a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.either_database import using_database


@pytest.fixture(scope="module")
def on_postgresql(django_db_setup: None, postgres_tables: dict[str, Any]) -> Iterator[None]:
    """Run the tests of a module on PostgreSQL: it refuses more than SQLite."""
    with using_database(postgres_tables):
        yield
