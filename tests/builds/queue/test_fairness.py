"""Fair queueing: never two claims on a build, never over a workspace's limit, and no workspace starves."""

from __future__ import annotations

import threading
import uuid
from collections import Counter

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from builds import tasks
from builds.models import Build, BuildState
from builds.pages.queries import queue_position
from builds.queue.claims import Claim, ClaimLost
from builds.queue.fairness import claim_next, has_claimable_builds, workspace_queues
from builds.queue.limits import limits_of, set_limits
from builds.queue.requests import cancel_request, request_build
from builds.worker.reporter import stopping
from tests.builds.scenarios import expire_claims, queue_build, save_text, workspace_named
from tests.examples import examples


def waiting_in(workspace: str, count: int) -> list[Build]:
    """Return builds that wait, oldest first, each of a content of its own."""
    return [
        queue_build(save_text(f"a=={uuid.uuid4().int % 10**9}\n", name=f"e{n}", workspace=workspace))
        for n in range(count)
    ]


def end(claim: Claim) -> None:
    claim.fail("x", "It failed.", "", "author")


@pytest.mark.slow
@pytest.mark.usefixtures("either_database")
@pytest.mark.django_db
def test_a_hundred_builds_of_one_workspace_do_not_hold_up_another() -> None:
    waiting_in("lab", 20)
    (mine,) = waiting_in("shop", 1)

    first, second = claim_next("one"), claim_next("one")

    assert first is not None
    assert second is not None
    assert second.build_id == mine.pk


@pytest.mark.usefixtures("either_database")
@pytest.mark.django_db
def test_one_worker_serves_workspaces_in_turn() -> None:
    lab, shop = waiting_in("lab", 3), waiting_in("shop", 2)

    served = []
    while (claim := claim_next("the only one")) is not None:
        served.append(claim.build_id)
        end(claim)

    assert served == [lab[0].pk, shop[0].pk, lab[1].pk, shop[1].pk, lab[2].pk]


@pytest.mark.usefixtures("either_database")
@pytest.mark.django_db
def test_a_workspace_at_its_limit_waits_until_a_build_ends() -> None:
    lab = waiting_in("lab", 3)
    set_limits(workspace_named("lab"), at_once=2)
    first, second = claim_next("one"), claim_next("two")
    assert first
    assert second
    assert claim_next("three") is None
    assert not has_claimable_builds()

    end(first)

    third = claim_next("one")
    assert third is not None
    assert third.build_id == lab[2].pk


@pytest.mark.usefixtures("either_database")
@pytest.mark.django_db
def test_positions_in_the_queue_are_the_order_of_claims() -> None:
    waiting = [*waiting_in("lab", 4), *waiting_in("shop", 2), *waiting_in("yard", 1)]
    positions = {build.pk: queue_position(build) for build in waiting}
    assert sorted(positions.values()) == [1, 2, 3, 4, 5, 6, 7]

    taken = []
    while (claim := claim_next("one")) is not None:
        taken.append(claim.build_id)

    assert [positions[build] for build in taken] == [1, 2, 3, 4, 5, 6, 7]


def many(work: object, threads: int) -> None:
    """Do the work in threads that start at the same moment, and raise what went wrong in one of them."""
    start = threading.Barrier(threads)
    problems: list[BaseException] = []

    def run() -> None:
        try:
            start.wait(30)
            work()  # type: ignore[operator]
        except BaseException as error:  # raised in the test's own thread
            problems.append(error)
        finally:
            connection.close()

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if problems:
        raise problems[0]


@pytest.mark.usefixtures("either_database")
@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_never_claim_one_build_twice_nor_more_than_the_limit() -> None:
    waiting_in("lab", 6)
    waiting_in("shop", 6)
    set_limits(workspace_named("lab"), at_once=2)
    set_limits(workspace_named("shop"), at_once=3)
    taken: list[uuid.UUID] = []
    most: Counter[str] = Counter()

    def work() -> None:
        while (claim := claim_next("one")) is not None:
            taken.append(claim.build_id)
            running = Counter(
                Build.objects.filter(state=BuildState.RUNNING).values_list("workspace__name", flat=True)
            )
            for name, count in running.items():
                most[name] = max(most[name], count)
            end(claim)

    many(work, 8)

    # A thread ends when it finds both workspaces at their limit; the others continue.
    assert sorted(taken) == sorted(Build.objects.values_list("pk", flat=True))
    assert most["lab"] <= 2
    assert most["shop"] <= 3


class Workers(RuleBasedStateMachine):
    """Two workspaces, some workers, and all that can happen to them."""

    @initialize(lab=st.integers(1, 2), shop=st.integers(1, 3))
    def limits(self, lab: int, shop: int) -> None:
        self.names = [f"lab-{uuid.uuid4().hex[:8]}", f"shop-{uuid.uuid4().hex[:8]}"]
        for name, most in zip(self.names, (lab, shop), strict=True):
            set_limits(workspace_named(name), at_once=most)
        self.claims: list[Claim] = []
        self.requests: list[uuid.UUID] = []
        self.ended: set[uuid.UUID] = set()
        self.passed_over: Counter[int] = Counter()

    def builds(self) -> list[Build]:
        return list(Build.objects.filter(workspace__name__in=self.names).select_related("workspace"))

    @rule(which=st.integers(0, 1), contents=st.sets(st.integers(0, 5), min_size=2, max_size=4))
    def ask(self, which: int, contents: set[int]) -> None:
        for content in sorted(contents):
            request_build(save_text(f"a=={content}\n", name=f"e{content}", workspace=self.names[which]))

    @rule(times=st.integers(1, 3))
    def claim(self, times: int) -> None:
        for _ in range(times):
            self.claim_one()

    def claim_one(self) -> None:
        before = [queue for queue in workspace_queues() if not queue.at_limit]
        claim = claim_next("a worker")
        assert (claim is not None) == bool(before), "a worker finds a build exactly where one may be taken"
        if claim is None:
            return
        assert claim.build_id not in {held.build_id for held in self.claims}, "two claims on one build"
        self.claims.append(claim)
        served = Build.objects.get(pk=claim.build_id).workspace_id
        assert min(queue.running for queue in before) == next(
            queue.running for queue in before if queue.workspace == served
        )
        for queue in before:
            self.passed_over[queue.workspace] += 1
        self.passed_over[served] = 0
        # Of two workspaces, a workspace below its limit is passed over at most as often as the other's limit.
        assert max(self.passed_over.values()) <= 3

    @rule(data=st.data())
    def end_one(self, data: st.DataObject) -> None:
        if self.claims:
            end_claim = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))
            try:
                end(end_claim)
            except ClaimLost as error:
                raise AssertionError("a worker that holds its build cannot lose it") from error

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        active = [build for build in self.builds() if build.active and not build.cancel_requested]
        if active:
            build = data.draw(st.sampled_from(sorted(active, key=lambda build: build.queued_at)))
            for request in build.requests.filter(cancelled_at=None).select_related(
                "build", "version__environment", "workspace"
            ):
                cancel_request(request, None)

    @rule(data=st.data())
    def worker_sees_the_cancellation(self, data: st.DataObject) -> None:
        for claim in [claim for claim in self.claims if claim.should_stop()]:
            self.claims.remove(claim)
            claim.cancel()

    @rule(data=st.data())
    def worker_dies(self, data: st.DataObject) -> None:
        if self.claims:
            dead = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))
            expire_claims(living=self.claims)
            with pytest.raises(ClaimLost):
                end(dead)

    @rule(data=st.data())
    def studio_stops_a_worker(self, data: st.DataObject) -> None:
        if self.claims:
            self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1))).requeue()

    @rule(which=st.integers(0, 1), most=st.integers(1, 4))
    def another_limit(self, which: int, most: int) -> None:
        workspace = workspace_named(self.names[which])
        running = Build.objects.filter(workspace=workspace, state=BuildState.RUNNING).count()
        set_limits(workspace, at_once=max(most, running, 1))
        self.passed_over.clear()

    @invariant()
    def nothing_is_over_its_limit_or_comes_back(self) -> None:
        if not hasattr(self, "names"):
            return
        running = Counter(build.workspace for build in self.builds() if build.state == BuildState.RUNNING)
        for workspace, count in running.items():
            assert count <= limits_of(workspace).at_once
        held = {claim.build_id for claim in self.claims}
        assert held == {build.pk for build in self.builds() if build.state == BuildState.RUNNING}
        ended = {build.pk for build in self.builds() if not build.active}
        assert self.ended <= ended, "an end is for ever"
        self.ended = ended

    def teardown(self) -> None:
        """Every build ends: one worker is enough."""
        for claim in getattr(self, "claims", []):
            end(claim)
        while (claim := claim_next("the last worker")) is not None:
            end(claim)
        assert not Build.objects.filter(state__in=["queued", "running"]).exists()


@pytest.mark.slow
@pytest.mark.django_db
def test_every_build_is_claimed_once_within_the_limits_and_ends_after_any_events() -> None:
    run_state_machine_as_test(
        Workers,
        settings=settings(
            max_examples=examples(8),
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )


class FakePool:
    """A pool of one thread that never runs its work."""

    def __init__(self) -> None:
        self.submitted: list[object] = []

    def apply_async(self, work: object) -> None:
        self.submitted.append(work)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> FakePool:
    fake = FakePool()
    monkeypatch.setattr(tasks, "build_poller", tasks.WorkPoller(tasks.run_queued_builds))
    monkeypatch.setattr(tasks.build_poller, "pool", fake)
    return fake


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """The builds that were run, in order; each fails at once."""
    builds: list[uuid.UUID] = []

    def build(claim: Claim) -> None:
        builds.append(claim.build_id)
        end(claim)

    monkeypatch.setattr("builds.worker.runner.run_claimed", build)
    return builds


@pytest.mark.django_db
def test_a_worker_continues_until_nothing_can_be_claimed(pool: FakePool, built: list[uuid.UUID]) -> None:
    """A build that waited for its workspace's limit starts when another ends, without a message."""
    lab = waiting_in("lab", 5)
    set_limits(workspace_named("lab"), at_once=1)

    tasks.build_image()

    assert built == [build.pk for build in lab]


@pytest.mark.django_db
def test_the_other_threads_of_a_worker_are_woken_once_however_much_waits(
    pool: FakePool, built: list[uuid.UUID]
) -> None:
    waiting_in("lab", 30)

    tasks.build_image()

    assert len(pool.submitted) == 1
    assert len(built) == 30


@pytest.mark.django_db
def test_a_worker_that_stops_takes_nothing_more(
    pool: FakePool, built: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting_in("lab", 2)
    stopping.set()
    try:
        tasks.build_image()
        tasks.build_poller.wake()
    finally:
        stopping.clear()

    assert built == []
    assert pool.submitted == []
