"""The claim: one worker has a build, and writes nothing after losing it; the reconciler takes builds from silent workers."""

from __future__ import annotations

import os
import subprocess
import threading
import uuid
from datetime import timedelta

import pytest
from django.conf import settings as django
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builds.models import Build, BuildState, Image, LogChunk
from builds.queue.claims import Claim, ClaimLost, cancel_queued
from builds.queue.heartbeats import Heartbeats
from builds.worker.reconciler import Reconciler, release, release_builds_of, release_builds_of_dead_workers
from builds.worker.reporter import BuildReporter
from tests.builds.scenarios import expire_claims, image_for, queue_build, reconcile_after, save_text
from tests.examples import examples

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_database")]


def build() -> Build:
    return queue_build(save_text(f"a=={uuid.uuid4().int % 10**8}\n"))


def take(build: Build, worker: str = "one") -> Claim:
    claim = Claim.take(build.pk, worker)
    assert claim is not None
    return claim


def test_the_row_lets_exactly_one_worker_through() -> None:
    waiting = build()

    assert Claim.take(waiting.pk, "one")
    assert Claim.take(waiting.pk, "two") is None


def test_a_worker_that_lost_its_claim_writes_nothing() -> None:
    waiting = build()
    lost = take(waiting)
    expire_claims()
    mine = take(waiting, "two")

    for write in (
        lambda: lost.append("from the past\n", 1, "fetch"),
        lambda: lost.fail("x", "it failed", "", "studio"),
        lambda: lost.succeed(image_for(waiting.version), reused=False),
        lost.cancel,
        lost.requeue,
        lost.should_stop,
    ):
        with pytest.raises(ClaimLost):
            write()

    mine.append("from now\n", 1, "fetch")
    assert [chunk.text for chunk in LogChunk.objects.all()] == ["from now\n"]
    waiting.refresh_from_db()
    assert (waiting.state, waiting.worker, waiting.attempt) == (BuildState.RUNNING, "two", 2)


def test_a_live_worker_keeps_its_build() -> None:
    waiting = build()
    claim = take(waiting)

    expire_claims(living=[claim])

    assert claim.should_stop() is False


def test_after_three_dead_workers_the_build_fails_with_what_to_do() -> None:
    waiting = build()
    for _ in range(3):
        take(waiting)
        expire_claims()

    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_code, waiting.error_fault) == (
        BuildState.FAILED,
        "worker-died",
        "studio",
    )
    assert waiting.error_help


def test_a_start_requeues_only_builds_of_dead_processes_of_this_host() -> None:
    gone, ended = subprocess.Popen(["true"]), subprocess.Popen(["true"])
    gone.wait()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # a zombie: not reaped yet
    workers = [
        f"here:{gone.pid}",
        f"here:{ended.pid}",
        f"here:{os.getpid()}",
        "here:nonsense",
        f"elsewhere:{gone.pid}",
        f"here:{10**30}",
    ]
    claims = [take(build(), worker) for worker in workers]

    assert release_builds_of_dead_workers("here") == 2

    assert [Build.objects.filter(claim=claim.token).exists() for claim in claims] == [False] * 2 + [True] * 4
    ended.wait()
    left = Build.objects.get(pk=claims[0].build_id)
    assert (left.state, left.attempt) == (BuildState.QUEUED, 1)


def test_a_cancelled_build_of_a_dead_worker_ends_as_cancelled() -> None:
    waiting = build()
    take(waiting)
    Build.objects.filter(pk=waiting.pk).update(cancel_requested=True)

    release_builds_of("one", died=True)

    waiting.refresh_from_db()
    assert waiting.state == BuildState.CANCELLED


def test_a_requeued_build_does_not_count_as_an_attempt() -> None:
    waiting = build()
    for _ in range(5):
        take(waiting).requeue()

    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempt) == (BuildState.QUEUED, 0)


def move_by(claim: Claim, move: str, image: Image) -> None:
    """Make a move as the holder of a claim, present or past."""
    match move:
        case "requeue":
            claim.requeue()
        case "succeed":
            claim.succeed(image, reused=False)
        case "fail":
            claim.fail("x", "It failed.", "", "author")
        case "cancel":
            claim.cancel()
        case "late write":
            claim.append("line\n", 1, "")


MOVES = ["take", "requeue", "succeed", "fail", "cancel", "die", "cancel_queued", "late write"]


@pytest.mark.slow
@given(moves=st.lists(st.sampled_from(MOVES), max_size=12))
@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_ended_build_keeps_its_state_after_any_moves(moves: list[str]) -> None:
    """queued → running → succeeded | failed | cancelled, and never back from an end."""
    waiting = build()
    image = image_for(waiting.version)
    claims: list[Claim] = []
    ended: str | None = None
    for move in moves:
        try:
            if move == "take":
                claim = Claim.take(waiting.pk, "worker")
                claims += [claim] if claim else []
            elif move == "cancel_queued":
                cancel_queued(waiting.pk)
            elif move == "die":
                expire_claims()
            elif claims:
                move_by(claims[0] if move == "late write" else claims[-1], move, image)
        except ClaimLost:
            pass
        waiting.refresh_from_db()
        if ended is not None:
            assert waiting.state == ended
        if not waiting.active:
            ended = waiting.state
            assert waiting.ended_at is not None
            assert (waiting.image is not None) == (ended == BuildState.SUCCEEDED)
        if waiting.state == BuildState.RUNNING:
            assert waiting.claim == claims[-1].token


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(hours=-1)], ids=["forward", "back"])
def test_setting_a_clock_loses_no_living_workers_build_and_keeps_no_dead_workers(step: timedelta) -> None:
    """For any time in a heartbeat, and any delay of the next within the lease."""
    claim, dead, reconciler = take(living := build()), take(build()), Reconciler()
    reconciler.reconcile()
    for number in range(1, 8):
        Build.objects.filter(pk=living.pk).update(heartbeat_at=timezone.now() + step * (number % 2))
        for _ in range(3):
            reconcile_after(reconciler, django.LOST_AFTER_SECONDS / 4)

    claim.write()
    with pytest.raises(ClaimLost):
        dead.write()


def test_a_late_check_takes_no_build_and_later_checks_do() -> None:
    """The database hung, or this worker was halted: the others' heartbeats of that time have yet to arrive."""
    claim, reconciler = take(waiting := build()), Reconciler()
    reconciler.reconcile()
    for taken in (False, True):
        reconcile_after(reconciler, 3600)
        waiting.refresh_from_db()
        assert (waiting.claim != claim.token) == taken


@pytest.mark.parametrize(
    "meanwhile", [{"heartbeat_at": timezone.now()}, {"state": BuildState.SUCCEEDED}], ids=["lives", "ended"]
)
def test_a_heartbeat_at_the_last_moment_keeps_the_build(meanwhile: dict[str, object]) -> None:
    """It sends a heartbeat, or ends the build in the millisecond of its last heartbeat."""
    claim, beats = take(build()), Heartbeats[Build]()
    for _ in range(3):
        beats._checked_at -= django.LOST_AFTER_SECONDS / 2
        (*silent,) = beats.silent(Build.objects.all())
    assert [row.pk for row in silent] == [claim.build_id]
    Build.objects.update(**meanwhile)

    assert release(silent, died=True) == 0

    assert Build.objects.filter(claim=claim.token, **meanwhile).exists()


def test_a_chunk_whose_answer_was_lost_is_not_written_twice() -> None:
    """No line is doubled when the database goes away between a commit and its answer."""
    claim = take(build())
    claim.append("one\n", 1, "fetch", after=0)

    claim.append("one\n", 1, "fetch", after=0)
    claim.append("two\n", 1, "fetch", after=1)

    assert [chunk.text for chunk in LogChunk.objects.all()] == ["one\n", "two\n"]


def test_a_worker_with_an_expired_lease_does_nothing_until_the_database_answers() -> None:
    """Its machine was halted, or the database hangs: another worker may have the build."""
    reporter = BuildReporter(take(build()))
    reporter.lease._renewed_at -= 3600
    continued = threading.Event()

    def work() -> None:
        reporter.check()
        continued.set()

    worker = threading.Thread(target=work)
    worker.start()
    assert not continued.wait(0.1)
    reporter.lease.run(lambda: None)
    worker.join(60)
    assert continued.is_set()

    reporter.lease._renewed_at -= 3600
    reporter._lost = ClaimLost()
    with pytest.raises(ClaimLost):
        reporter.check()
