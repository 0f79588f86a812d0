"""Measure the list of environments and its searches: `python -m bench.studio.search [--environments 1000] [--versions 4]`.

A workspace of its own on SQLite, every second environment built and failed in turn; pages through Django's test client,
so without a network. Medians of several rounds; nothing is asserted. It runs on older revisions too, to compare.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

WISH_MS = 800
PAGES = {
    "list": "environments/",
    "list, last page": "environments/?page=9999",
    "a word of every text": "environments/?q=numpy",
    "a word of one name": "environments/?q=model-0123",
    "numpy<2": "environments/?q=numpy%3C2",
    "numpy<2, all versions": "environments/?q=numpy%3C2&versions=all",
    "state:failed": "environments/?q=state:failed",
    "tag:team=nlp by:ann, all versions": "environments/?q=tag:team%3Dnlp+by:ann&versions=all",
    "what is nowhere": "environments/?q=zqxj",
    "package": "packages/numpy/",
    "packages": "packages/",
    "palette": "search/?part=palette&q=model-01",
}


def main() -> None:
    """Print one line a page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--environments", type=int, default=1_000)
    options.add_argument("--versions", type=int, default=4)
    options.add_argument("--rounds", type=int, default=5)
    requested = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-search-") as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_VAR": str(Path(folder))}
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        seed(requested.environments, requested.versions)
        measure(requested.rounds)


def seed(environments: int, versions: int) -> None:
    """Save environments with several versions each; the images of every second."""
    from django.conf import settings
    from django.core.management import call_command
    from django.db import transaction

    from builds.models import Build
    from environments.models import Role
    from tests.builds.scenarios import image_for, person, save_text

    settings.ALLOWED_HOSTS = ["*"]
    call_command("migrate", verbosity=0)
    ann = person("ann", lab=Role.OWNER)
    began = time.perf_counter()
    with transaction.atomic():
        for number in range(environments):
            for version in range(1, versions + 1):
                text = f"numpy=={version % 3}.{number % 30}.0\npandas=={version}.{number}\n"
                saved = save_text(
                    text, name=f"model-{number:04}", user=ann, tags={"team": ("nlp", "vision")[number % 2]}
                )
                if number % 2:
                    image_for(saved)
                elif number % 4:
                    Build.objects.create(
                        workspace=saved.environment.workspace, version=saved, hash=saved.hash, state="failed"
                    )
    print(
        f"{environments:,} environments with {versions} versions each, saved in {time.perf_counter() - began:.0f} s"
    )


def measure(rounds: int) -> None:
    """Request each page several times."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(User.objects.get(username="ann"))
    for name, path in PAGES.items():
        url = f"/w/lab/{path}"
        if client.get(url).status_code != 200:
            print(f"{name:42} not there")
            continue
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            client.get(url)
            times.append(1000 * (time.perf_counter() - began))
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        middle = statistics.median(times)
        slow = "" if middle <= WISH_MS else f"   more than {WISH_MS} ms"
        print(
            f"{name:42} {middle:8.1f} ms   ({min(times):.0f} to {max(times):.0f}; {len(queries)} queries){slow}"
        )


if __name__ == "__main__":
    main()
