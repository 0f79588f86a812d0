"""Each request of a pull reads few rows and columns, through an index. On both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from builds.distribution.repository import Repository
from builds.models import Image
from environments.models import Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]

NAME = "azureml/azureml_wanted"
INDEX = "image_repository_idx"

Query = tuple[str, Any]


def images_of(repository: str, count: int, workspace: Workspace) -> list[Image]:
    """Return unsaved images of a repository; the first is current."""
    return [
        Image(
            workspace=workspace,
            hash=repository,
            repository=f"azureml/azureml_{repository}",
            digest=f"sha256:{repository}-{number}",
            size=1,
            layers=[{"digest": f"sha256:{number}", "size": 1, "what": "numpy"}],
            lock={"packages": [{"name": "numpy"}]},
            base="host",
            base_digest="sha256:0",
            current=number == 0,
        )
        for number in range(count)
    ]


@pytest.fixture
def square() -> Workspace:
    """A public workspace of 400 repositories with one image each, and one with twelve."""
    square = Workspace.objects.create(name="square", title="Square", anonymous_pull=True)
    images = [image for number in range(400) for image in images_of(f"{number:04}", 1, square)]
    Image.objects.bulk_create([*images, *images_of("wanted", 12, square)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE builds_image")
    return square


@contextmanager
def image_queries() -> Iterator[list[Query]]:
    """Collect the queries on images during the block, with their parameters."""
    queries: list[Query] = []

    def collect(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if "builds_image" in sql:
            queries.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(collect):
        yield queries


def plan_of(query: Query) -> str:
    """Return how the database runs a query."""
    sql, params = query
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}", params)
        return "\n".join(str(row) for row in cursor.fetchall())


def test_a_pull_reads_only_its_repository_and_neither_locks_nor_layers(square: Workspace) -> None:
    with image_queries() as queries:
        repository = Repository.open(AnonymousUser(), f"square/{NAME}")
        assert [image.current for image in repository.images].count(True) == 1
        assert len({image.digest for image in repository.images if image.used_at}) == 12

    ((sql, params),) = queries
    columns = sql.partition(" FROM ")[0].removeprefix("SELECT ").split(", ")
    assert columns == [f'"builds_image"."{name}"' for name in ("id", "digest", "current", "used_at")]
    assert INDEX in plan_of((sql, params))
