"""What a workspace may have: builds at once, in the queue, and the time and disk of each (issue 5, 2)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from builds import runner, steps
from builds.images import BlobStore, Cancelled, ImageError, Lock, Quiet, Workshop, fetch
from builds.limits import Bounds, Limits, OverLimit, limits_of, set_limits
from builds.models import Build, Request, State
from builds.reporting import BuildReporter
from builds.services import QueueFull, request_build
from environments.models import Role
from tests.builds.played import asked, browser_of, person, saved, workspace_named
from tests.images.making import locked, make_wheel

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


def test_a_limit_that_lets_nothing_through_is_refused(db: None) -> None:
    workspace_named("lab")

    with pytest.raises(CommandError, match="above 0"):
        call_command("limits", "lab", seconds="0")
    with pytest.raises(CommandError, match="There is no workspace nowhere"):
        call_command("limits", "nowhere")
    with pytest.raises(CommandError, match="not a number"):
        call_command("limits", "lab", disk="much")


def test_a_full_queue_refuses_with_what_how_many_and_what_to_do(db: None) -> None:
    set_limits(workspace_named("lab"), queued=2)
    first = asked(saved("a==1\n"))
    asked(saved("a==2\n"))

    with pytest.raises(QueueFull, match="2 builds of lab wait already, and no more than 2 may") as refused:
        request_build(saved("a==3\n"))

    assert "cancel" in str(refused.value)
    # Who waits for a build that is there already takes no room, and other workspaces have their own.
    assert request_build(first.version).joined
    assert request_build(saved("a==3\n", workspace="shop")).build
    assert Request.objects.count() == 4


def test_the_page_tells_of_a_full_queue_and_keeps_what_was_saved(db: None) -> None:
    ada = person("ada", lab=Role.CONTRIBUTOR)
    version = saved("a==1\n")
    set_limits(workspace_named("lab"), queued=1)
    asked(saved("a==2\n"))

    answer = browser_of(ada).post(
        f"/w/lab/environments/{version.environment.name}/versions/{version.version}/build", follow=True
    )

    assert answer.status_code == 200
    assert "1 builds of lab wait already" in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_no_more_than_may_wait_get_into_the_queue_at_the_same_moment() -> None:
    set_limits(workspace_named("lab"), queued=5)
    versions = [saved(f"a=={n}\n", name=f"e{n}") for n in range(12)]
    start = threading.Barrier(len(versions))
    refused: list[Exception] = []

    def ask(version: object) -> None:
        try:
            start.wait(30)
            request_build(version)  # type: ignore[arg-type]
        except QueueFull as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Build.objects.count() == 5
    assert len(refused) == 7


@pytest.fixture
def silent_step(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let builds be one step that says nothing and waits, as a silent RUN does: it only checks."""
    never = threading.Event()

    def make(build: Build, reporter: BuildReporter) -> steps.Made:
        with reporter.step(1, "base"):
            while not never.wait(0.05):
                reporter.check()
        raise AssertionError

    monkeypatch.setattr(steps, "make_image", make)
    return never


@pytest.mark.django_db(transaction=True)
def test_a_silent_build_is_stopped_at_its_deadline_with_the_cause(silent_step: threading.Event) -> None:
    set_limits(workspace_named("lab"), seconds=1)
    build = asked(saved("a==1\n"))

    runner.run(build.pk, "worker")

    build.refresh_from_db()
    assert (build.state, build.error_code) == (State.FAILED, "timeout")
    assert "after 1 seconds" in build.error
    assert build.error_help
    assert build.error_line


def test_a_build_that_writes_more_than_it_may_ends_with_the_cause(tmp_path: Path) -> None:
    bounds = Bounds(Limits(at_once=1, queued=1, seconds=60, disk=1000))
    store = BlobStore(tmp_path / "store", bounds.spend)

    with store.writer() as blob:
        blob.write(b"x" * 900)
        with pytest.raises(OverLimit, match="more than 1 kB") as over:
            blob.write(b"x" * 200)

    assert over.value.code == "disk-limit"
    with pytest.raises(OverLimit):
        bounds.check()
    assert list((tmp_path / "store" / "ingest").iterdir()) == []


def test_downloads_count_and_files_that_are_here_already_do_not(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"shop/data.py": "x = 1\n" * 3000})
    lock, fetched = locked(wheel)
    package = lock.packages[0].model_copy(update={"url": wheel.as_uri(), "kind": "conda"})
    size = fetched.wheels[0].size

    def shop(disk: int) -> Workshop:
        bounds = Bounds(Limits(at_once=1, queued=1, seconds=60, disk=disk))
        return Workshop(store=BlobStore(tmp_path / "store"), cache=tmp_path / "cache", spend=bounds.spend)

    with pytest.raises(OverLimit):
        fetch(Lock(packages=(package,)), shop(size - 1), Quiet())
    assert fetch(Lock(packages=(package,)), shop(size), Quiet()).received == size
    assert fetch(Lock(packages=(package,)), shop(1), Quiet()).received == 0


def test_everything_lets_the_end_of_a_build_through() -> None:
    """Steps that go on after an error of their own must not go on after this one."""
    assert issubclass(OverLimit, Cancelled)
    assert issubclass(OverLimit, ImageError)
