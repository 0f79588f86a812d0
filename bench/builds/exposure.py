"""Measure who is exposed: `python -m bench.builds.exposure [--images 50000]`; on DATABASE_URL's server if it is set.

Images of 60 packages each, popular ones in most, directly in the database. Printed are the median and the 95th
percentile of the pages of a CVE, a package and all advisories, of columns, badges and filters, and of the patch status:
seconds of the clock, and of this process' CPU, which SQLite's queries are part of. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

VERSIONS = 5  # of each environment
PACKAGES = 60  # of an image
NAMES = 2_000
BASES = 40
OF_PYTHON = 10  # packages of a base
WORKSPACES = 20
ADVISORIES = 600
CARDS = 24  # of the catalogue
AT_ONCE = 2_000


def main() -> None:
    """Fill a database and print a line for each question."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=50_000)
    options.add_argument("--rounds", type=int, default=100)
    options.add_argument("--keep", default="", help="a folder for the data, filled once")
    requested = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-exposure-") as temporary:
        folder = requested.keep or temporary
        os.environ |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_VAR": folder}
        os.environ.setdefault("SECRET_KEY", "bench")
        import django

        django.setup()
        from django.core.management import call_command

        from builds.models import Image

        call_command("migrate", verbosity=0)
        began = time.perf_counter()
        chooser = random.Random(7)  # noqa: S311
        if not Image.objects.exists():
            fill(requested.images, chooser)
        print(f"{Image.objects.count():,} images, after {time.perf_counter() - began:.0f} s", flush=True)
        gc.freeze()  # as web processes do when they start
        measure(requested.rounds, chooser)


def fill(images: int, chooser: random.Random) -> None:
    """Add workspaces, environments, versions, images and their packages, and advisories that affect some."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.utils import timezone

    from builds.models import Advisory, AdvisoryName, BasePackage, Package, PackageAdvisory, Severity
    from environments.models import Member, Role, Workspace

    packages = Package.objects.bulk_create(
        Package(ecosystem="pypi", name=f"lib-{name}", version=f"{version}.0")
        for name in range(NAMES)
        for version in range(1, 6)
    )
    system = Package.objects.bulk_create(
        Package(ecosystem="debian", release="debian:12", name=f"deb-{n}", version=f"{n % 9}.0-1")
        for n in range(400)
    )
    BasePackage.objects.bulk_create(
        BasePackage(base_digest=digest(base), package=package)
        for base in range(BASES)
        # A Python on a base brings popular packages, which images may have too.
        for package in (*chooser.sample(system, 100), *chooser.sample(packages[:200], OF_PYTHON))
    )
    severities = [Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW]
    advisories = Advisory.objects.bulk_create(
        Advisory(
            key=f"CVE-2026-{n:04}", severity=severities[n % 4], score=9.0 - n % 4, summary="Something",
            published_at=timezone.now() - timedelta(days=n * 7 % 400),
        )
        for n in range(ADVISORIES)
    )  # fmt: skip
    AdvisoryName.objects.bulk_create(AdvisoryName(advisory=row, name=row.key) for row in advisories)
    hits: set[tuple[int, int]] = set()
    for advisory in advisories:
        # A third is about popular names, a few about the packages of bases.
        name = chooser.randrange(40 if advisory.pk % 3 == 0 else NAMES)
        older = packages[name * 5 : name * 5 + 3]
        chosen = chooser.sample(system, 1) if advisory.pk % 10 == 0 else older
        hits.update((advisory.pk, package.pk) for package in chosen)
    PackageAdvisory.objects.bulk_create(
        PackageAdvisory(advisory_id=advisory, package_id=package, fixed_in=["4.0"])
        for advisory, package in hits
    )
    spaces = [Workspace.objects.create(name=f"bench-{n}", title=f"Bench {n}") for n in range(WORKSPACES)]
    user = User.objects.create(username="bench-ann")
    for space in spaces[: WORKSPACES // 2]:
        Member.objects.create(workspace=space, user=user, role=Role.OWNER)
    fill_images(images, spaces, packages, chooser)
    catalogue = Workspace.objects.create(name="curated-bench", title="Curated", curated=True)
    fill_images(CARDS * VERSIONS, [catalogue], packages, chooser)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def digest(number: int) -> str:
    """Return a digest of its own for each number."""
    return f"sha256:{number:064x}"


def fill_images(images: int, spaces: list[Any], packages: list[Any], chooser: random.Random) -> None:
    """Add environments with five versions and an image each, in batches; some older versions are in use."""
    from django.utils import timezone

    from builds.models import Image, ImagePackage
    from environments.models import Environment, ListEntry, Usage, Version, VersionEntry, VersionLabel

    now = timezone.now()
    rows = iter(range(images // VERSIONS))
    while numbers := list(islice(rows, AT_ONCE // VERSIONS)):
        environments = Environment.objects.bulk_create(
            Environment(workspace=spaces[n % len(spaces)], name=f"env-{n}", repository=f"env-{n}")
            for n in numbers
        )
        versions = Version.objects.bulk_create(
            Version(
                environment=environment, version=str(v), number=v, hash=f"{environment.pk:016x}{v:016x}", data={},
                source="", kind="system-managed", base="python:3.12", packages=PACKAGES,
            )
            for environment in environments
            for v in range(1, VERSIONS + 1)
        )  # fmt: skip
        VersionEntry.objects.bulk_create(
            VersionEntry(
                version=version, environment=version.environment, workspace_id=version.environment.workspace_id,
                number=version.number, latest=version.number == VERSIONS, hash=version.hash, kind="",
                search_text=version.environment.name,
            )
            for version in versions
        )  # fmt: skip
        ListEntry.objects.bulk_create(
            ListEntry(
                environment=version.environment, workspace_id=version.environment.workspace_id, version=version,
                name=version.environment.name, changed_at=now, kind="", packages=PACKAGES,
            )
            for version in versions
            if version.number == VERSIONS
        )  # fmt: skip
        older = [version for version in versions if version.number == VERSIONS - 1]
        VersionLabel.objects.bulk_create(
            VersionLabel(environment=version.environment, name="prod", version=version, set_at=now)
            for version in older[::20]
        )
        Usage.objects.bulk_create(
            Usage(
                workspace_id=version.environment.workspace_id, environment=version.environment, version=version,
                kind=Usage.Kind.RUN, name="nightly", first_at=now, last_at=now,
            )
            for version in older[10::20]
        )  # fmt: skip
        chosen = [picked(packages, chooser) for _ in versions]
        made = Image.objects.bulk_create(
            Image(
                workspace_id=version.environment.workspace_id, hash=version.hash, repository="r",
                digest=f"sha256:{version.hash * 2}", size=1, base="python:3.12", base_digest=digest(chooser.randrange(BASES)),
                lock=lock_of(held), packages=PACKAGES,
            )
            for version, held in zip(versions, chosen, strict=True)
        )  # fmt: skip
        ImagePackage.objects.bulk_create(
            (
                ImagePackage(image=image, package=package, requested=number < 8)
                for image, held in zip(made, chosen, strict=True)
                for number, package in enumerate(held)
            ),
            batch_size=5_000,
        )


def picked(packages: list[Any], chooser: random.Random) -> list[Any]:
    """Return 60 packages, each name once: half of them from the forty most popular names."""
    names = chooser.sample(range(40), 30) + chooser.sample(range(40, NAMES), PACKAGES - 30)
    return [packages[name * 5 + chooser.randrange(5)] for name in names]


def lock_of(held: list[Any]) -> dict[str, Any]:
    """Return what a stored lock has that answers why a package is there."""
    return {
        "packages": [
            {
                "ecosystem": "pypi",
                "name": package.name,
                "version": package.version,
                "requested": number < 8,
                "needed_by": [held[number // 2].name] if number >= 8 else [],
                "url": f"https://files.example/{package.name}-{package.version}-py3-none-any.whl",
                "sha256": "0" * 64,
            }
            for number, package in enumerate(held)
        ]
    }


def measure(rounds: int, chooser: random.Random) -> None:
    """Print how long each question takes, for different advisories, packages and pages."""
    from django.contrib.auth.models import User
    from django.db import transaction

    from builds.exposure.columns import exposure_of, exposures
    from builds.exposure.overview import advisories_in
    from builds.exposure.promise import promise_and_late
    from builds.exposure.search import search
    from builds.models import Image
    from builds.search.conditions import find
    from environments.access import workspaces_of
    from environments.models import ListEntry, Workspace

    member = User.objects.get(username="bench-ann")
    admin = User(username="root", is_superuser=True, pk=10**6)
    spaces = list(Workspace.objects.filter(name__startswith="bench"))

    def advisory(user: User) -> Callable[[], Any]:
        name = f"CVE-2026-{chooser.randrange(ADVISORIES):04}"
        return lambda: search(name, scope=scope(user))

    def package(user: User) -> Callable[[], Any]:
        name = f"lib-{chooser.randrange(40)}"
        return lambda: search(name, scope=scope(user))

    def scope(user: User) -> list[int] | None:
        return None if user.is_superuser else list(workspaces_of(user).values_list("pk", flat=True))

    def column() -> Callable[[], Any]:
        space = chooser.choice(spaces)
        rows = ListEntry.objects.filter(workspace=space)[:50]
        hashes = list(rows.values_list("version__hash", flat=True))
        return lambda: exposure_of(hashes, space)

    def overview(user: User | None = None, **chosen: Any) -> Callable[[], Any]:
        where = scope(user) if user else [chooser.choice(spaces).pk]
        return lambda: advisories_in(where, **chosen)

    def filtered(query: str) -> Callable[[], Any]:
        space = chooser.choice(spaces)
        rows = ListEntry.objects.filter(workspace=space).order_by("name")
        return lambda: list(find(rows, query, space)[:50])

    def cards() -> Callable[[], Any]:
        shown = Image.objects.filter(workspace__curated=True).order_by("pk")[:CARDS]
        images = dict(shown.values_list("pk", "base_contents"))
        return lambda: exposures(images)

    questions: dict[str, Callable[[], Callable[[], Any]]] = {
        "a CVE, in ten workspaces": lambda: advisory(member),
        "a CVE, everywhere": lambda: advisory(admin),
        "a popular package, in ten workspaces": lambda: package(member),
        "a popular package, everywhere": lambda: package(admin),
        "the column of a list": column,
        "the badges of the gallery": cards,
        "the filter vulnerability:high": lambda: filtered("vulnerability:high"),
        "the filter vulnerability:none": lambda: filtered("vulnerability:none"),
        "all advisories, in a workspace": overview,
        "all advisories, page 10": lambda: overview(page=10),
        "all advisories, of one severity": lambda: overview(severity="low"),
        "all advisories, with a search": lambda: overview(query="cve-2026-01"),
        "all advisories, in ten workspaces": lambda: overview(member),
        "all advisories, everywhere": lambda: overview(admin),
    }
    for name, question in questions.items():
        report(name, [timed(question()) for _ in range(rounds)])
    with transaction.atomic():
        decide(chooser)
        for name in [name for name in questions if "in ten workspaces" in name or "column" in name]:
            report(f"{name}, with decisions", [timed(questions[name]()) for _ in range(rounds)])
        transaction.set_rollback(True)
    report("patch status", [timed(promise_and_late) for _ in range(max(2, rounds // 20))])


def decide(chooser: random.Random) -> None:
    """Record decisions about a tenth of the advisories: for the studio, and for environments."""
    from builds.models import Advisory, Triage, TriageState
    from environments.models import Environment

    environments = list(Environment.objects.order_by("pk")[:1_000])
    Triage.objects.bulk_create(
        Triage(advisory=advisory, environment=environment, state=TriageState.ACCEPTED, reason="bench")
        for advisory in Advisory.objects.order_by("pk")[::10]
        for environment in (None if advisory.pk % 20 == 1 else chooser.choice(environments),)
    )


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Return how long work takes, on the clock and on this process' CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def report(name: str, each: list[tuple[float, float]]) -> None:
    """Print median and 95th percentile in milliseconds."""
    parts = [*percentiles([clock for clock, _ in each]), *percentiles([cpu for _, cpu in each])]
    print(
        "{:58} p50 {:6.0f} ms  p95 {:6.0f} ms   CPU p50 {:6.0f} ms  p95 {:6.0f} ms".format(name, *parts),
        flush=True,
    )


def percentiles(seconds: list[float]) -> Iterator[float]:
    """Yield the median and the 95th percentile, in milliseconds."""
    yield statistics.median(seconds) * 1000
    yield statistics.quantiles(seconds, n=20)[-1] * 1000


if __name__ == "__main__":
    main()
