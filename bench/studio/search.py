"""Measure the list of environments and its searches: `python -m bench.studio.search [--environments 1000] [--versions 4]`.

A workspace of its own on SQLite, with images, failed builds and versions that are not built; pages through Django's test client,
so without a network. Medians of CPU time, which
SQLite's queries are part of; nothing is asserted. It runs on older revisions too, to compare.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from importlib import import_module
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
    """Add environments with several versions each; every second has images, every fourth failed builds."""
    from django.conf import settings
    from django.core.management import call_command

    settings.ALLOWED_HOSTS = ["*"]
    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    add_rows(environments, versions)
    print(
        f"{environments:,} environments with {versions} versions each, added in {time.perf_counter() - began:.0f} s"
    )


def add_rows(environments: int, versions: int) -> None:
    """Add the rows that saving and building would have added."""
    from django.apps import apps
    from django.utils import timezone

    from builds.models import Build, Image, ImagePackage, Package
    from environments.models import Environment, ListEntry, Role, Version
    from tests.builds.scenarios import image_for, person, save_text

    ann = person("ann", lab=Role.OWNER)
    pattern = save_text("numpy==2.1.3\npandas==2.2.3\n", name="pattern", user=ann)
    image = image_for(pattern)
    lab = pattern.environment.workspace
    rows = [
        Environment(workspace=lab, name=f"model-{n:04}", repository=f"model-{n:04}")
        for n in range(environments)
    ]
    made: list[Version] = []
    for number, environment in enumerate(Environment.objects.bulk_create(rows)):
        for version in range(1, versions + 1):
            requests = [f"numpy=={version % 3}.{number % 30}.0", f"pandas=={version}.{number}"]
            data = {**pattern.data, "python": {**pattern.data["python"], "pip": requests}}
            made.append(
                Version(
                    environment=environment,
                    version=str(version),
                    number=version,
                    hash=f"{number:016x}{version:016x}",
                    data=data,
                    source="\n".join(requests),
                    kind=pattern.kind,
                    base=pattern.base,
                    packages=2,
                    tags={"team": ("nlp", "vision")[number % 2]},
                    created_by=ann,
                )
            )
    Version.objects.bulk_create(made, batch_size=500)
    with_text = any(field.name == "search_text" for field in ListEntry._meta.fields)  # in older revisions
    ListEntry.objects.bulk_create(
        ListEntry(
            environment=version.environment,
            workspace=lab,
            version=version,
            name=version.environment.name,
            changed_at=timezone.now(),
            kind=version.kind,
            base=version.base,
            packages=2,
            **({"search_text": f"{version.environment.name}\n{version.source}"} if with_text else {}),
        )
        for version in made
        if version.number == versions
    )
    if "versionentry" in apps.all_models["environments"]:
        (migration,) = (path.stem for path in Path("environments/migrations").glob("*_version_entries.py"))
        apps.get_model("environments", "VersionEntry").objects.all().delete()
        apps.get_model("environments", "RequestedPackage").objects.all().delete()
        import_module(f"environments.migrations.{migration}").fill(apps, None)
    images: list[Image] = []
    builds: list[Build] = []
    held: list[ImagePackage] = []
    for row in made:
        number = int(row.environment.name[6:])
        if number % 2:
            digest = f"sha256:{row.hash * 2}"
            images.append(
                Image(
                    workspace=lab,
                    hash=row.hash,
                    repository=image.repository,
                    digest=digest,
                    size=1,
                    base="host",
                    base_digest=digest,
                    lock=image.lock,
                )
            )
        elif number % 4:
            builds.append(Build(workspace=lab, version=row, hash=row.hash, state="failed"))
    Build.objects.bulk_create(builds, batch_size=500)
    packages = [Package(ecosystem="pypi", name="numpy", version=f"{n % 3}.{n}.0") for n in range(90)]
    packages += [Package(ecosystem="pypi", name=f"package-{n}", version="1.0") for n in range(200)]
    packages = Package.objects.bulk_create(packages)
    for number, built in enumerate(Image.objects.bulk_create(images, batch_size=500)):
        held += [ImagePackage(image=built, package=packages[number % 90])]
        held += [ImagePackage(image=built, package=packages[90 + (number + n) % 200]) for n in range(30)]
    ImagePackage.objects.bulk_create(held, batch_size=1_000)


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
            began = time.process_time()
            client.get(url)
            times.append(1000 * (time.process_time() - began))
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        middle = statistics.median(times)
        slow = "" if middle <= WISH_MS else f"   more than {WISH_MS} ms"
        print(
            f"{name:42} {middle:8.1f} ms   ({min(times):.0f} to {max(times):.0f}; {len(queries)} queries){slow}"
        )


if __name__ == "__main__":
    main()
