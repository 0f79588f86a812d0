"""Measure the database query of each blob of a pull: `python -m bench.builds.repository_lookup [--images 20000]`.

Processor time, side by side in one SQLite database, each with the query for the workspace: all columns without
the index, all columns, and the studio's own query.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable

HUNDRED, SINGLE = "azureml/azureml_hundred", "azureml/azureml_000001"
LOCKED_PACKAGES = 60
ROUNDS = 40

# The sign hides the column from the planner: no index on it is used.
UNINDEXED = "SELECT * FROM builds_image WHERE workspace_id = %s AND +repository = %s ORDER BY built_at DESC"


def main() -> None:
    """Print the median of each query for a repository of one image, and for one of a hundred."""
    options = argparse.ArgumentParser(prog="python -m bench.builds.repository_lookup", description=__doc__)
    options.add_argument("--images", type=int, default=20_000, help="images of the workspace (default 20000)")
    images = options.parse_args().images
    with tempfile.TemporaryDirectory(prefix="bench-lookup-") as folder:
        os.environ |= {"STUDIO_VAR": folder, "DJANGO_SETTINGS_MODULE": "studio.settings"}
        # Models can be imported only now.
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        fill(images)
        for repository in (SINGLE, HUNDRED):
            measure(repository, images)


def fill(images: int) -> None:
    """Add so many images of a repository each to a public workspace, and a repository of a hundred images."""
    from django.db import connection

    from builds.models import Image
    from environments.models import Workspace

    workspace = Workspace.objects.create(name="square", title="Square", anonymous_pull=True)
    package = {
        "name": "numpy",
        "version": "2.1.3",
        "sha256": "c" * 64,
        "url": "https://files.example/" + "n" * 80,
    }
    lock = {"packages": [package] * LOCKED_PACKAGES}
    layers = [{"digest": f"sha256:{number:064}", "size": 10**6, "what": "numpy"} for number in range(40)]
    names = [f"{number:06}" for number in range(images)] + ["hundred"] * 100
    rows = (
        Image(
            workspace=workspace,
            hash=name,
            repository=f"azureml/azureml_{name}",
            digest=f"sha256:{number:064}",
            size=1,
            layers=layers,
            lock=lock,
            base="host",
            base_digest=f"sha256:{0:064}",
            current=name != "hundred",
        )
        for number, name in enumerate(names)
    )
    Image.objects.bulk_create(rows, batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def measure(repository: str, images: int) -> None:
    """Print the processor time of each query, measured in turns, and its ratio to the studio's own."""
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import QuerySet

    from builds.distribution.repository import Repository
    from builds.models import Image
    from environments.models import Workspace

    def every_column() -> QuerySet[Image]:
        workspace = Workspace.objects.filter(name="square").first()
        return Image.objects.filter(workspace=workspace, repository=repository).order_by("-built_at")

    def unindexed() -> list[Image]:
        workspace = Workspace.objects.get(name="square")
        return list(Image.objects.raw(UNINDEXED, [workspace.pk, repository]))

    queries: dict[str, Callable[[], object]] = {
        "all columns, no index": unindexed,
        "all columns": lambda: list(every_column()),
        "as it is": lambda: Repository.open(AnonymousUser(), f"square/{repository}"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in queries}
    for _ in range(ROUNDS):
        for name, query in queries.items():
            start = time.process_time()
            query()
            seconds[name].append(time.process_time() - start)
    least = statistics.median(seconds["as it is"])
    count = every_column().count()
    for name, times in seconds.items():
        median = statistics.median(times)
        print(
            f"{images:7,} images, {count:3} in the repository, {name:22}: {median * 1000:8.2f} ms"
            f" ({median / least:6.1f}x)"
        )


if __name__ == "__main__":
    main()
