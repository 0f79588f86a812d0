"""Measure rehearsals and the gate: `python -m bench.builds.policies [--images 10000] [--packages 60]`.

A workspace of its own on SQLite: builds of the past year, each with an image, packages with licences, some with
advisories and decisions, on bases with hundreds of them. Medians of wall and CPU time; nothing is asserted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LICENCES = ["MIT", "BSD-3-Clause", "Apache-2.0", "MPL-2.0", "", "LGPL-2.1-only", "ISC"]
NAMES, VERSIONS = 400, 10
BASES, OF_BASE = 5, 100  # packages of each
ROUNDS = 5


def main() -> None:
    """Print one line a rule."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=10_000)
    options.add_argument("--packages", type=int, default=60)
    requested = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-policies-") as folder:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_VAR": str(Path(folder))}
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        space = seed(requested.images, requested.packages)
        measure(space)


def seed(images: int, packages: int) -> Any:
    """Add builds of the past year with their images, packages, advisories and decisions."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from builds.models import (
        Advisory,
        BasePackage,
        Build,
        BuildRequest,
        Image,
        ImagePackage,
        Package,
        PackageAdvisory,
        Triage,
    )
    from environments.models import Environment, Version, Workspace

    chance = random.Random(1)  # noqa: S311
    now = timezone.now()
    space = Workspace.objects.create(name="lab", title="Lab")
    people = [User.objects.create(username=f"person-{number}") for number in range(50)]
    names = [f"environment-{number}" for number in range(images // 4 + 1)]
    environments = Environment.objects.bulk_create(
        Environment(workspace=space, name=name, repository=name) for name in names
    )
    hashes = [f"{number:032x}" for number in range(images)]
    versions = Version.objects.bulk_create(
        Version(
            environment=environments[number // 4],
            number=number % 4 + 1,
            version=str(number % 4 + 1),
            hash=hashes[number],
            data={},
        )
        for number in range(images)
    )
    rows = Image.objects.bulk_create(
        Image(
            workspace=space,
            hash=hash,
            repository=f"azureml/azureml_{hash}",
            digest=f"sha256:{hash * 2}",
            size=1,
            base="python:3.11",
            base_digest=f"sha256:{number % BASES:064}",
            base_created_at=now - dt.timedelta(days=chance.randrange(600)),
            packages=packages,
            policy_facts={
                "origins": {"https://files.pythonhosted.org": ["a", "b"]}
                | ({"https://evil.example": ["c"]} if number % 20 == 0 else {}),
                "built": ["ghost"] if number % 10 == 0 else [],
                "as_of": "",
                "exceptions": {},
            },
        )
        for number, hash in enumerate(hashes)
    )
    Image.objects.update(lock={"packages": []})
    builds = Build.objects.bulk_create(
        Build(
            workspace=space,
            version=versions[number],
            hash=hashes[number],
            image=rows[number],
            state="succeeded",
            ended_at=now - dt.timedelta(days=number % 360),
        )
        for number in range(images)
    )
    BuildRequest.objects.bulk_create(
        BuildRequest(workspace=space, version=build.version, build=build, user=people[number % 50])
        for number, build in enumerate(builds)
    )
    known = Package.objects.bulk_create(
        Package(
            ecosystem="pypi",
            name=f"package-{name}",
            version=f"1.{version}",
            license=LICENCES[name % 7] if name % 50 else "AGPL-3.0-only",
        )
        for name in range(NAMES)
        for version in range(VERSIONS)
    )
    held = (
        ImagePackage(image=image, package=package)
        for image in rows
        for package in chance.sample(known, packages)
    )
    ImagePackage.objects.bulk_create(held, batch_size=5_000)
    advisories = Advisory.objects.bulk_create(
        Advisory(
            key=f"CVE-2025-{number}",
            severity=("low", "medium", "high", "critical")[number % 4],
            published_at=now - dt.timedelta(days=number * 2),
        )
        for number in range(300)
    )
    PackageAdvisory.objects.bulk_create(
        PackageAdvisory(package=known[number * 7 % len(known)], advisory=advisory, fixed_in=["2"])
        for number, advisory in enumerate(advisories)
    )
    system = Package.objects.bulk_create(
        Package(ecosystem="debian", release="debian:12", name=f"source-{number}", version="1.0-1")
        for number in range(2 * OF_BASE)
    )
    BasePackage.objects.bulk_create(
        BasePackage(base_digest=f"sha256:{base:064}", package=package)
        for base in range(BASES)
        for package in chance.sample(system, OF_BASE)
    )
    # Each package of a base has ten advisories, as those of an old base have.
    PackageAdvisory.objects.bulk_create(
        PackageAdvisory(package=package, advisory=advisory, fixed_in=["1.0-2"])
        for package in system
        for advisory in chance.sample(advisories[:60], 10)
    )
    Triage.objects.bulk_create(
        Triage(advisory=advisory, environment=environments[number], state="accepted", reason="x")
        for number, advisory in enumerate(advisories[:100])
    )
    return space


def measure(space: Any) -> None:
    """Print how long the rehearsal of each rule takes."""
    from builds.policies import service
    from builds.policies.rehearsal import rehearse
    from environments.workspaces.uploads import set_upload_policy

    set_upload_policy(space, "14 days", {}, None)
    rules: dict[str, dict[str, Any]] = {
        "vulnerability": {"severity": "high", "days": 30},
        "licence": {"deny": ["AGPL-3.0-only"]},
        "cool-down": {},
        "source": {},
        "origin": {"origins": ["pypi.org"]},
        "base-age": {"days": 180},
        "import-test": {},
    }
    for name, options in rules.items():
        rule = service.candidate(space, name, "block", None, options)
        outcome = rehearse(space, rule)
        wall, cpu = timed(lambda rule=rule: rehearse(space, rule))  # type: ignore[misc]
        print(f"{name:14} {wall:8.0f} ms   CPU {cpu:8.0f} ms   {len(outcome.stopped):,} of {outcome.total:,}")


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Return the medians of wall and CPU time in milliseconds."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    return statistics.median(walls), statistics.median(cpus)


if __name__ == "__main__":
    main()
