"""In the process of `bench.patch.heal`, once there are settings: build, import, heal, and print."""

from __future__ import annotations

import argparse
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import yaml
from django.conf import settings
from django.db import connection

from bench.patch.later import write_later
from builds.advisories.importing import import_advisories
from builds.healing.runs import start_run
from builds.models import (
    ACTIVE,
    PENDING,
    Advisory,
    Build,
    BuildState,
    Image,
    PackageAdvisory,
    Trial,
    TrialState,
)
from builds.models.healing import HealItem, HealRun, HealState
from builds.queue.requests import image_of, request_build
from builds.queue.tests import smoke_test_of
from builds.queue.trials import queue_image, trial_of
from builds.tasks import run_queued_builds
from builds.worker.healing.planning import run_waiting_items
from builds.worker.trial import run_waiting_trials
from environments.definition import read
from environments.models import Version, Workspace
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
BESIDE_BREAKING = ("click==8.1.3", "sqlalchemy==2.0.4", "rich", "attrs==22.2.0")
BREAKING = (
    # Import what the fixed version of another package no longer has.
    ("flask==2.2.5", "werkzeug==2.2.3"),
    ("flask-login==0.6.2", "flask==2.2.5", "werkzeug==2.2.3"),
    ("flask-wtf==1.0.1", "flask==2.2.5", "werkzeug==2.2.3"),
    ("aiohttp-jinja2==1.4.2", "aiohttp==3.8.4", "jinja2==2.11.3", "markupsafe<2.1"),
    ("requests-toolbelt==0.9.1", "requests==2.31.0", "urllib3==1.26.4"),
    ("pyopenssl==22.0.0", "cryptography==38.0.1"),
)
SMOKE = (
    # Commands of definitions that fail with the fixed version.
    ("pillow==9.5.0", "from PIL import Image; Image.ANTIALIAS"),
    ("urllib3==1.26.4", "from urllib3.util.ssl_ import DEFAULT_CIPHERS"),
)
SEED = 19


def run(args: argparse.Namespace) -> None:
    """Build, import, heal and print."""
    prepare()
    settings.IMPORT_TEST = "off"  # of what is there: only healed images are of interest
    began = time.perf_counter()
    workspace, _ = Workspace.objects.get_or_create(name="lab", defaults={"title": "Lab"})
    for number, (text, file) in enumerate(definitions(args.environments, args.breaking).items()):
        reading = read(text, file, default_image="host")
        request_build(save_reading(workspace, f"env-{number}", reading, source=text).version)
    work_until(lambda: not Build.objects.filter(state__in=ACTIVE).exists(), args.builders)
    seconds = time.perf_counter() - began
    failed = Build.objects.exclude(state=BuildState.SUCCEEDED)
    print(
        f"{Image.objects.count()} environments built in {seconds:.0f} s; {failed.count()} failed", flush=True
    )
    for build in failed[:5]:
        print(f"  {build.version}: {build.error}")

    began = time.perf_counter()
    import_advisories(args.advisories)
    import_advisories(write_later(settings.VAR / "later"))
    seconds = time.perf_counter() - began
    hits = PackageAdvisory.objects.values("advisory").distinct().count()
    print(
        f"{Advisory.objects.count()} advisories imported in {seconds:.1f} s; {hits} affect them", flush=True
    )

    settings.IMPORT_TEST = "after"
    began = time.perf_counter()
    advisories = list(Advisory.objects.filter(packages__isnull=False).distinct())
    row = start_run(advisories, Workspace.objects.all(), None, dry_run=False, untested=args.untested)
    work_until(lambda: not HealRun.objects.filter(pk=row.pk, ended_at=None).exists(), args.builders)
    report(row, time.perf_counter() - began)
    if not args.untested:
        report_before(row, args.builders)


def definitions(count: int, share_breaking: float) -> dict[str, str]:
    """Return definitions with their file names: of one to four old packages and one or two others, some that will break."""
    chance = random.Random(SEED)  # noqa: S311
    result: dict[str, str] = {}
    sizes = itertools.cycle((1, 2, 3, 4))
    breaking = itertools.cycle((*BREAKING, *SMOKE))
    while len(result) < count:
        beside = chance.sample(BESIDE, chance.choice((1, 2)))
        if len(result) < count * share_breaking:
            result |= [broken(next(breaking), chance.choice(BESIDE_BREAKING))]
        else:
            result[written([*chance.sample(OLD, next(sizes)), *beside])] = "requirements.txt"
    return result


def broken(case: tuple[str, ...], beside: str) -> tuple[str, str]:
    """Return a definition whose healed candidate fails a test, and its file name."""
    if case not in SMOKE:
        return written([*case, beside]), "requirements.txt"
    package, script = case
    document = {
        "image": "host",
        "conda_file": {"dependencies": [{"pip": [package, beside]}]},
        "smoke_test": f'python -c "{script}"',
    }
    return yaml.safe_dump(document), "environment.yaml"


def written(lines: list[str]) -> str:
    """Return a requirements file."""
    return "\n".join(sorted(lines)) + "\n"


def work_until(done: Callable[[], bool], builders: int) -> None:
    """Plan, build and test, each in its own threads as a worker does, until there is no more to do."""
    ended = threading.Event()

    def repeat(work: Callable[[], None]) -> None:
        while not ended.is_set():
            work()
            ended.wait(0.1)
        connection.close()

    works = [run_waiting_items, run_waiting_trials, *[run_queued_builds] * builders]
    threads = [threading.Thread(target=repeat, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    try:
        while not (done() and not Trial.objects.filter(state__in=PENDING).exists()):
            time.sleep(0.2)
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def report_before(row: HealRun, builders: int) -> None:
    """Test what was there before of those that their import test refused, and print how many failed already."""
    items = [item for item in row.items.select_related("version") if refused_by(item) == "import test"]
    for item in items:
        if image := image_of(item.version):
            queue_image(image)
    work_until(lambda: True, builders)
    count = sum(broke(item.version) for item in items)
    print(f"of {len(items)} that their import test refused, {count} had failed it before they were healed")


def report(row: HealRun, seconds: float) -> None:
    """Print what became of the environments. Exits where a failing import test did not stop a version."""
    items = list(row.items.select_related("published__environment__workspace", "version"))
    healed = [item for item in items if item.published is not None]
    refused = Counter(kind for item in items if (kind := refused_by(item)))
    total = sum(refused.values())
    print(f"{len(items)} environments in {seconds:.0f} s: {seconds / len(items):.2f} s each")
    print(
        f"healed {len(healed) / len(items):.0%}, refused by a test {total / len(items):.0%}: {dict(refused)}"
    )
    print(f"states: {dict(Counter(item.state for item in items))}")
    for reason, count in Counter(reason_of(item) for item in items if item.reason).most_common(20):
        print(f"  {count} times: {reason}")
    untested = sum(not passed(item) for item in healed)
    failing = sum(saved_failing(item) for item in healed)
    print(f"saved: {len(healed)}, with a failing test: {failing}, without a test that passed: {untested}")
    if failing:
        raise SystemExit(1)


def refused_by(item: HealItem) -> str:
    """Return the test that refused an item; empty for none."""
    if item.state != HealState.FAILED:
        return ""
    image = image_of(item.candidate) if item.candidate else None
    trial = trial_of(image) if image else None
    if trial is not None and trial.state == TrialState.FAILED:
        return "import test"
    return "smoke test" if item.build is not None and item.build.error_code == "smoke-test-failed" else ""


def broke(version: Version) -> bool:
    """Return whether the image of a version has failed its import test."""
    image = image_of(version)
    trial = trial_of(image) if image else None
    return trial is not None and trial.state == TrialState.FAILED


def reason_of(item: HealItem) -> str:
    """Return the reason of an item, with the error of the first failed import."""
    image = image_of(item.candidate) if item.candidate else None
    trial = trial_of(image) if image else None
    error = trial.problems[0]["error"].strip().splitlines()[-1] if trial and trial.problems else ""
    return f"{item.reason[:200]} {error[:160]}".strip()


def passed(item: HealItem) -> bool:
    """Return whether the image of the version that an item was saved as has passed its import test."""
    image = image_of(item.published) if item.published else None
    trial = trial_of(image) if image else None
    return trial is not None and trial.state == TrialState.PASSED


def saved_failing(item: HealItem) -> bool:
    """Return whether the version that an item was saved as has a failing import test or smoke test."""
    image = image_of(item.published) if item.published else None
    if item.published is None or image is None:
        return False
    trial = trial_of(image)
    command = item.published.definition.smoke_test
    smoke = smoke_test_of(image.digest, command) if command else None
    return any(row is not None and row.state == TrialState.FAILED for row in (trial, smoke))
