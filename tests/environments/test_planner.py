"""SQLite chooses indexes by statistics of its tables."""

from __future__ import annotations

import pytest
from django.db import connection

from builds.models import Image
from environments.planner import update_statistics
from tests.builds.scenarios import workspace_named


@pytest.mark.django_db
@pytest.mark.usefixtures("either_database")
def test_indexes_are_sampled_where_the_database_does_not_do_so_itself() -> None:
    Image.objects.create(
        workspace=workspace_named("lab"), hash="a" * 32, digest="sha256:1", repository="r", size=1
    )

    update_statistics()

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'builds_image'")
            assert cursor.fetchone()[0] > 1
