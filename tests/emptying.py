"""After tests that commit, only the tables that have rows are emptied: Django truncates all, which takes PostgreSQL a seventh of a second each time."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

# Of models and rights: each `migrate` fills them
KEPT = {"django_content_type", "auth_permission"}
# The database lets nobody else delete events.
EVENTS = "environments_event"


@pytest.fixture(autouse=True, scope="session")
def tables_with_rows_are_emptied() -> Generator[None, None, None]:
    def empty_all(_case: TransactionTestCase) -> None:
        for alias in connections:
            empty_tables(connections[alias])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_all)
        yield


def empty_tables(connection: BaseDatabaseWrapper) -> None:
    """Delete all rows of all tables, but for those of models and rights, which Django would add again."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    has_rows = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})"  # noqa: S608 (our tables)
        for name in sorted(set(names) - KEPT)
    )
    with transaction.atomic(connection.alias), connection.cursor() as cursor:
        cursor.execute(has_rows)
        tables = [str(name) for (name,) in cursor.fetchall()]
        after = allow_deletion_of_events(connection) if EVENTS in tables else []
        # Foreign keys are checked at the end, so any order does.
        for statement in [*(f"DELETE FROM {name}" for name in tables), *after]:  # noqa: S608
            cursor.execute(statement)


def allow_deletion_of_events(connection: BaseDatabaseWrapper) -> list[str]:
    """Take the protection off the table of events; return the statements that restore it."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {EVENTS} DISABLE TRIGGER USER")
            return ["SET CONSTRAINTS ALL IMMEDIATE", f"ALTER TABLE {EVENTS} ENABLE TRIGGER USER"]
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [EVENTS]
        )
        triggers = dict(cursor.fetchall())
        for name in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        return list(triggers.values())
