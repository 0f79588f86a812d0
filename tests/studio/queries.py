"""The queries that a page makes."""

from __future__ import annotations

from collections import Counter

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

_ROLE = 'FROM "environments_member"'


def repeated_on(client: Client, path: str) -> list[str]:
    """Return the queries that a page makes more than once, without those of the user's role."""
    client.get(path)  # the session notes the workspace once
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200, path
    made = Counter(query["sql"] for query in queries if query["sql"].startswith("SELECT"))
    assert made, path
    return [sql for sql, times in made.items() if times > 1 and _ROLE not in sql]
