"""A workspace's limits: builds at once and in the queue, and the time and disk space of each."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Lock
from builds.imaging.oci.store import BlobStore
from builds.imaging.reporting import Cancelled, ImageError, Quiet
from builds.imaging.workshop import Workshop
from builds.models import Build, BuildRequest, BuildState
from builds.models.steps import StepName
from builds.queue.limits import Limits, limits_of, set_limits
from builds.queue.requests import QueueFull, request_build
from builds.worker import runner, steps
from builds.worker.budget import Budget, LimitExceeded
from builds.worker.build_result import BuildResult
from builds.worker.reporter import BuildReporter
from environments.models import Role
from tests.builds.imaging.making import locked, make_wheel
from tests.builds.scenarios import browser_of, person, queue_build, save_text, workspace_named

pytestmark = pytest.mark.usefixtures("either_database")


def test_a_workspace_has_the_defaults_until_an_administrator_says_otherwise(
    db: None, settings: Settings
) -> None:
    settings.LIMIT_AT_ONCE, settings.LIMIT_QUEUED = 3, 30
    lab = workspace_named("lab")
    assert (limits_of(lab).at_once, limits_of(lab).queued) == (3, 30)

    call_command("limits", "lab", at_once="1")
    assert (limits_of(lab).at_once, limits_of(lab).queued) == (1, 30)

    call_command("limits", "lab", at_once="default")
    assert limits_of(lab).at_once == 3


def test_an_invalid_limit_is_refused(db: None) -> None:
    workspace_named("lab")

    with pytest.raises(CommandError, match="above 0"):
        call_command("limits", "lab", seconds="0")
    with pytest.raises(CommandError, match="There is no workspace nowhere"):
        call_command("limits", "nowhere")
    with pytest.raises(CommandError, match="not a number"):
        call_command("limits", "lab", disk="much")


def test_a_full_queue_refuses_with_what_how_many_and_what_to_do(db: None) -> None:
    set_limits(workspace_named("lab"), queued=2)
    first = queue_build(save_text("a==1\n"))
    queue_build(save_text("a==2\n"))

    with pytest.raises(QueueFull, match="The queue of lab is full: 2 of 2 builds are waiting") as refused:
        request_build(save_text("a==3\n"))

    assert "cancel" in str(refused.value)
    # Joining an existing build takes no room, and other workspaces have their own queue.
    assert request_build(first.version).joined
    assert request_build(save_text("a==3\n", workspace="shop")).build
    assert BuildRequest.objects.count() == 4


def test_the_page_shows_a_full_queue_and_keeps_the_saved_version(db: None) -> None:
    ada = person("ada", lab=Role.CONTRIBUTOR)
    version = save_text("a==1\n")
    set_limits(workspace_named("lab"), queued=1)
    queue_build(save_text("a==2\n"))

    answer = browser_of(ada).post(
        f"/w/lab/environments/{version.environment.name}/versions/{version.version}/build", follow=True
    )

    assert answer.status_code == 200
    assert "The queue of lab is full: 1 of 1 builds are waiting" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_no_more_than_may_wait_get_into_the_queue_at_the_same_moment() -> None:
    set_limits(workspace_named("lab"), queued=5)
    versions = [save_text(f"a=={n}\n", name=f"e{n}") for n in range(12)]
    start = threading.Barrier(len(versions))
    refused: list[Exception] = []

    def request(version: object) -> None:
        try:
            start.wait(30)
            request_build(version)  # type: ignore[arg-type]
        except QueueFull as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=request, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Build.objects.count() == 5
    assert len(refused) == 7


@pytest.fixture
def silent_step(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make builds a single step without output, which only checks, as during a silent RUN."""
    never = threading.Event()

    def make(build: Build, reporter: BuildReporter) -> BuildResult:
        with reporter.step(StepName.BASE):
            while not never.wait(0.05):
                reporter.check()
        raise AssertionError

    monkeypatch.setattr(steps, "make_image", make)
    return never


@pytest.mark.django_db(transaction=True)
def test_a_silent_build_is_stopped_at_its_deadline_with_the_cause(silent_step: threading.Event) -> None:
    set_limits(workspace_named("lab"), seconds=1)
    build = queue_build(save_text("a==1\n"))

    runner.run_build(build.pk, "worker")

    build.refresh_from_db()
    assert (build.state, build.error_code) == (BuildState.FAILED, "timeout")
    assert "after 1 seconds" in build.error
    assert build.error_help
    assert build.error_line


def test_a_build_that_writes_more_than_it_may_ends_with_the_cause(tmp_path: Path) -> None:
    budget = Budget(Limits(at_once=1, queued=1, seconds=60, disk=1000))
    store = BlobStore(tmp_path / "store", budget.reserve_disk)

    with store.writer() as blob:
        blob.write(b"x" * 900)
        with pytest.raises(LimitExceeded, match="more than 1 kB") as over:
            blob.write(b"x" * 200)

    assert over.value.code == "disk-limit"
    with pytest.raises(LimitExceeded):
        budget.check()
    assert list((tmp_path / "store" / "ingest").iterdir()) == []


def test_downloads_count_and_files_that_are_here_already_do_not(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"shop/data.py": "x = 1\n" * 3000})
    lock, fetched = locked(wheel)
    package = lock.packages[0].model_copy(update={"url": wheel.as_uri(), "kind": "conda"})
    size = fetched.wheels[0].size

    def workshop(disk: int) -> Workshop:
        budget = Budget(Limits(at_once=1, queued=1, seconds=60, disk=disk))
        return Workshop(
            store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache", reserve_disk=budget.reserve_disk
        )

    with pytest.raises(LimitExceeded):
        fetch(Lock(packages=(package,)), workshop(size - 1), Quiet())
    assert fetch(Lock(packages=(package,)), workshop(size), Quiet()).received == size
    assert fetch(Lock(packages=(package,)), workshop(1), Quiet()).received == 0


def test_an_exceeded_limit_is_a_cancellation_to_the_steps() -> None:
    """Steps that continue after an ImageError must let this error through."""
    assert issubclass(LimitExceeded, Cancelled)
    assert issubclass(LimitExceeded, ImageError)
