"""Builds obey the stricter of definition and policy; what was built before stays valid for equal requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from builds.imaging.cutoffs.limits import Limits
from builds.imaging.reporting import Quiet
from builds.models import Build, BuildState, Image
from builds.queue.requests import request_build
from builds.worker import runner
from builds.worker.steps import resolve_for_rebuild
from builds.worker.upload_limits import upload_limits
from environments.definition import read
from environments.definition.model import Cutoff
from environments.models import Version, Workspace
from environments.versions.service import save_reading
from environments.workspaces.uploads import set_upload_policy
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import queue_build, workspace_named

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def index(tmp_path: Path, settings: Settings) -> Iterator[Index]:
    """An index with a package whose newest version is three days old."""
    folder = tmp_path / "wheels"
    served = Index(folder)
    for version, days in (("1.0", 100), ("2.0", 3)):
        wheel = make_wheel(folder, "mover", version)
        served.uploaded[wheel.name] = (timezone.now() - timedelta(days=days, hours=1)).isoformat()
    with served.server.running():
        settings.INDEX_URL = served.url
        yield served


def lab() -> Workspace:
    return workspace_named("lab")


def saved(keys: str = "") -> Version:
    text = f"image: host\nconda_file: {{dependencies: [{{pip: [mover]}}]}}\n{keys}\n"
    reading = read(text, "environment.yaml")
    assert reading.definition is not None, reading.findings
    return save_reading(lab(), "forecast", reading, source=text, user=None).version


def version_in(image: Image) -> str:
    assert image.lock is not None
    return str(image.lock["packages"][0]["version"])


def run(build: Build) -> Build:
    runner.run_build(build.pk, "a worker of a test")
    build.refresh_from_db()
    return build


@pytest.mark.slow
def test_a_policy_holds_for_new_solves_and_leaves_what_was_built(index: Index) -> None:
    version = saved()
    before = run(queue_build(version)).image
    assert before is not None
    assert version_in(before) == "2.0"

    set_upload_policy(lab(), "14 days", {}, None)

    version.environment.workspace.refresh_from_db()
    again = request_build(version, None)
    assert (again.build, again.image) == (None, before)
    lock = resolve_for_rebuild(version, before, Quiet())[1][0].lock
    assert [package.version for package in lock.packages] == ["1.0"]
    assert lock.skipped == ("mover 2.0 is 3 days old; using 1.0",)

    limited = run(queue_build(saved("newest: 1 day"))).image
    assert limited is not None
    assert version_in(limited) == "1.0"
    assert limited.lock is not None
    assert limited.lock["skipped"] == ["mover 2.0 is 3 days old; using 1.0"]
    assert datetime.fromisoformat(limited.lock["cutoff"]["as_of"]) <= timezone.now() - timedelta(days=14)


@pytest.mark.slow
def test_a_build_that_the_limit_leaves_no_version_fails_with_a_cause_and_a_way_out(index: Index) -> None:
    build = run(queue_build(saved("newest: 1000 days")))

    assert (build.state, build.error_code, build.error_fault) == (
        BuildState.FAILED,
        "uploaded-too-late",
        "author",
    )
    assert "mover 1.0 was uploaded on" in build.error
    assert "`mover: any` under `newest`" in build.error_help


def test_every_attempt_and_everybody_who_joins_has_the_same_limits(index: Index) -> None:
    build = queue_build(saved("newest: 14 days"))
    requested = datetime(2026, 1, 15, 12, tzinfo=UTC)
    Build.objects.filter(pk=build.pk).update(queued_at=requested, attempt=2)
    joined = request_build(build.version, None).build
    assert joined is not None
    reporter = Recorder()

    first, second = (upload_limits(Build.objects.get(pk=pk), reporter) for pk in (build.pk, joined.pk))

    assert first == second == Limits(Cutoff(newest="14 days"), Cutoff(), requested)
    assert reporter.lines[0] == (
        "Only what was uploaded before 2026-01-01 12:00 UTC is used (the definition: at least 14 days old)"
    )
