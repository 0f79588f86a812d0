"""In the process of `bench.patch.heal`, once there are settings: build, import, heal, and print."""

from __future__ import annotations

import argparse
import itertools
import random
import threading
import time
from collections import Counter

from django.db import connection

from builds.advisories.importing import import_advisories
from builds.healing.runs import start_run
from builds.models import Advisory, Image, PackageAdvisory, TrialState
from builds.models.healing import HealItem, HealRun, HealState
from builds.queue.requests import image_of, request_build
from builds.queue.trials import trial_of
from builds.tasks import run_queued_builds
from builds.worker.healing.planning import run_waiting_items
from builds.worker.trial import run_waiting_trials
from environments.definition import read
from environments.models import Workspace
from environments.versions.service import save_reading
from studio.preparation import prepare

OLD = (
    "django==3.2.12",
    "jinja2==3.1.2",
    "pillow==9.5.0",
    "requests==2.25.0",
    "urllib3==1.26.4",
    "cryptography==39.0.0",
    "aiohttp==3.8.4",
    "certifi==2022.12.7",
    "werkzeug==2.2.2",
    "pyyaml==5.3.1; python_version < '3.10'",
    "numpy==1.24.4",
    "tornado==6.2",
)
BESIDE = ("flask<3", "httpx", "click==8.1.3", "boto3==1.26.0", "sqlalchemy==2.0.4", "rich", "attrs==22.2.0")
SEED = 19


def run(args: argparse.Namespace) -> None:
    """Build, import, heal and print."""
    prepare()
    began = time.perf_counter()
    workspace, _ = Workspace.objects.get_or_create(name="lab", defaults={"title": "Lab"})
    for number, text in enumerate(definitions(args.environments)):
        reading = read(text, "requirements.txt", default_image="host")
        request_build(save_reading(workspace, f"env-{number}", reading, source=text).version)
    build_all(args.builders)
    print(f"{Image.objects.count()} environments built in {time.perf_counter() - began:.0f} s", flush=True)

    began = time.perf_counter()
    import_advisories(args.advisories)
    seconds = time.perf_counter() - began
    hits = PackageAdvisory.objects.values("advisory").distinct().count()
    print(
        f"{Advisory.objects.count()} advisories imported in {seconds:.1f} s; {hits} affect them", flush=True
    )

    began = time.perf_counter()
    advisories = list(Advisory.objects.filter(packages__isnull=False).distinct())
    row = start_run(advisories, Workspace.objects.all(), None, dry_run=False, untested=args.untested)
    while HealRun.objects.filter(pk=row.pk, ended_at=None).exists():
        run_waiting_items()
        build_all(args.builders)
        run_waiting_trials()
    report(row, time.perf_counter() - began)


def definitions(count: int) -> list[str]:
    """Return requirement files, each with one to four old packages and one or two others."""
    chance = random.Random(SEED)  # noqa: S311
    result: dict[str, None] = {}
    sizes = itertools.cycle((1, 2, 3, 4))
    while len(result) < count:
        lines = [*chance.sample(OLD, next(sizes)), *chance.sample(BESIDE, chance.choice((1, 2)))]
        result["\n".join(sorted(lines)) + "\n"] = None
    return list(result)


def build_all(builders: int) -> None:
    """Run queued builds until none is left, in threads as a worker does."""

    def work() -> None:
        run_queued_builds()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(builders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def report(row: HealRun, seconds: float) -> None:
    """Print what became of the environments. Exits where a failing import test did not stop a version."""
    items = list(row.items.select_related("published__environment__workspace", "version"))
    healed = [item for item in items if item.published is not None]
    refused = sum(item.state == HealState.FAILED and "import test" in item.reason for item in items)
    print(f"{len(items)} environments in {seconds:.0f} s: {len(items) / seconds:.1f} a second")
    print(f"healed {len(healed) / len(items):.0%}, refused by their import test {refused / len(items):.0%}")
    print(f"states: {dict(Counter(item.state for item in items))}")
    for reason, count in Counter(item.reason[:160] for item in items if item.reason).most_common(8):
        print(f"  {count} times: {reason}")
    failing = sum(saved_failing(item) for item in healed)
    print(f"saved with a failing import test: {failing}")
    if failing:
        raise SystemExit(1)


def saved_failing(item: HealItem) -> bool:
    """Return whether the version that an item was saved as has a failing import test."""
    image = image_of(item.published) if item.published else None
    trial = trial_of(image) if image else None
    return trial is not None and trial.state == TrialState.FAILED
