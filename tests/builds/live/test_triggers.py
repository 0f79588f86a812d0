"""The triggers of live pages on SQLite, which drops them with a table that is rewritten."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from builds.live.triggers import WATCHED


@pytest.mark.django_db
def test_triggers_survive_migrations_that_rewrite_their_tables() -> None:
    """SQLite drops a table's triggers with the table; `migrate` brings them back."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'live_%'")
        names = {name for (name,) in cursor.fetchall()}
        assert len(names) == 3 * len(WATCHED)
        for name in names:
            cursor.execute(f'DROP TRIGGER "{name}"')
        call_command("migrate", verbosity=0)
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'live_%'")
        assert {name for (name,) in cursor.fetchall()} == names
