"""Whose turn it is: never two claims on a build, never over a workspace's limit, and nobody starves (issue 5, 2)."""

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
from builds.claims import Claim, ClaimLost
from builds.limits import limits_of, set_limits
from builds.models import Build, State
from builds.queries import queue_position
from builds.reporting import stopping
from builds.services import cancel_request, request_build
from builds.turns import anything_to_take, lines, take_next
from tests.builds.played import asked, saved, take_from_silent, workspace_named


def waiting_in(workspace: str, count: int) -> list[Build]:
    """Return builds that wait, oldest first, each of a content of its own."""
    return [
        asked(saved(f"a=={uuid.uuid4().int % 10**9}\n", name=f"e{n}", workspace=workspace))
        for n in range(count)
    ]


def end(claim: Claim) -> None:
    claim.fail("x", "It failed.", "", "author")


@pytest.mark.usefixtures("either_database")
@pytest.mark.django_db
def test_a_hundred_builds_of_one_workspace_do_not_hold_up_another() -> None:
    waiting_in("lab", 20)
    (mine,) = waiting_in("shop", 1)

    first, second = take_next("one"), take_next("one")

    assert first is not None
    assert second is not None
    assert second.build_id == mine.pk


@pytest.mark.usefixtures("either_database")
@pytest.mark.django_db
def test_one_free_hand_serves_workspaces_in_turn() -> None:
    lab, shop = waiting_in("lab", 3), waiting_in("shop", 2)

    served = []
    while (claim := take_next("the only one")) is not None:
        served.append(claim.build_id)
        end(claim)

    assert served == [lab[0].pk, shop[0].pk, lab[1].pk, shop[1].pk, lab[2].pk]


@pytest.mark.usefixtures("either_database")
@pytest.mark.django_db
def test_a_workspace_at_its_limit_waits_and_its_next_build_comes_when_one_ends() -> None:
    lab = waiting_in("lab", 3)
    set_limits(workspace_named("lab"), at_once=2)
    first, second = take_next("one"), take_next("two")
    assert first
    assert second
    assert take_next("three") is None
    assert not anything_to_take()

    end(first)

    third = take_next("one")
    assert third is not None
    assert third.build_id == lab[2].pk


@pytest.mark.usefixtures("either_database")
@pytest.mark.django_db
def test_the_place_in_the_queue_is_the_one_in_which_builds_are_taken() -> None:
    waiting = [*waiting_in("lab", 4), *waiting_in("shop", 2), *waiting_in("yard", 1)]
    places = {build.pk: queue_position(build) for build in waiting}
    assert sorted(places.values()) == [1, 2, 3, 4, 5, 6, 7]

    taken = []
    while (claim := take_next("one")) is not None:
        taken.append(claim.build_id)

    assert [places[build] for build in taken] == [1, 2, 3, 4, 5, 6, 7]


def many(work: object, threads: int) -> None:
    """Do the work in threads that start at the same moment, and raise what went wrong in one of them."""
    start = threading.Barrier(threads)
    problems: list[BaseException] = []

    def run() -> None:
        try:
            start.wait(30)
            work()  # type: ignore[operator]
        except BaseException as error:  # told to the test's own thread
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
def test_many_workers_at_once_never_take_one_build_twice_nor_more_than_the_limit() -> None:
    waiting_in("lab", 6)
    waiting_in("shop", 6)
    set_limits(workspace_named("lab"), at_once=2)
    set_limits(workspace_named("shop"), at_once=3)
    taken: list[uuid.UUID] = []
    most: Counter[str] = Counter()

    def work() -> None:
        while (claim := take_next("one")) is not None:
            taken.append(claim.build_id)
            running = Counter(
                Build.objects.filter(state=State.RUNNING).values_list("workspace__name", flat=True)
            )
            for name, count in running.items():
                most[name] = max(most[name], count)
            end(claim)

    many(work, 8)

    # Whoever found both workspaces full has gone; those who ended a build went on.
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
        self.held: list[Claim] = []
        self.requests: list[uuid.UUID] = []
        self.ended: set[uuid.UUID] = set()
        self.passed_over: Counter[int] = Counter()

    def builds(self) -> list[Build]:
        return list(Build.objects.filter(workspace__name__in=self.names).select_related("workspace"))

    @rule(which=st.integers(0, 1), contents=st.sets(st.integers(0, 5), min_size=2, max_size=4))
    def ask(self, which: int, contents: set[int]) -> None:
        for content in sorted(contents):
            request_build(saved(f"a=={content}\n", name=f"e{content}", workspace=self.names[which]))

    @rule(times=st.integers(1, 3))
    def take(self, times: int) -> None:
        for _ in range(times):
            self.take_one()

    def take_one(self) -> None:
        before = [line for line in lines() if not line.full]
        claim = take_next("a worker")
        assert (claim is not None) == bool(before), "a worker finds a build exactly where one may be taken"
        if claim is None:
            return
        assert claim.build_id not in {held.build_id for held in self.held}, "two claims on one build"
        self.held.append(claim)
        served = Build.objects.get(pk=claim.build_id).workspace_id
        assert min(line.running for line in before) == next(
            line.running for line in before if line.workspace == served
        )
        for line in before:
            self.passed_over[line.workspace] += 1
        self.passed_over[served] = 0
        # With two workspaces, nobody who may build lets the other one by more often than it can have at once.
        assert max(self.passed_over.values()) <= 3

    @rule(data=st.data())
    def end_one(self, data: st.DataObject) -> None:
        if self.held:
            end_claim = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
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
    def worker_hears_of_the_cancelling(self, data: st.DataObject) -> None:
        for claim in [claim for claim in self.held if claim.should_stop()]:
            self.held.remove(claim)
            claim.cancel()

    @rule(data=st.data())
    def worker_dies(self, data: st.DataObject) -> None:
        if self.held:
            dead = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
            take_from_silent(living=self.held)
            with pytest.raises(ClaimLost):
                end(dead)

    @rule(data=st.data())
    def studio_stops_a_worker(self, data: st.DataObject) -> None:
        if self.held:
            self.held.pop(data.draw(st.integers(0, len(self.held) - 1))).give_back()

    @rule(which=st.integers(0, 1), most=st.integers(1, 4))
    def another_limit(self, which: int, most: int) -> None:
        place = workspace_named(self.names[which])
        running = Build.objects.filter(workspace=place, state=State.RUNNING).count()
        set_limits(place, at_once=max(most, running, 1))
        self.passed_over.clear()

    @invariant()
    def nothing_is_over_its_limit_or_comes_back(self) -> None:
        if not hasattr(self, "names"):
            return
        running = Counter(build.workspace for build in self.builds() if build.state == State.RUNNING)
        for place, count in running.items():
            assert count <= limits_of(place).at_once
        held = {claim.build_id for claim in self.held}
        assert held == {build.pk for build in self.builds() if build.state == State.RUNNING}
        ended = {build.pk for build in self.builds() if not build.active}
        assert self.ended <= ended, "an end is for ever"
        self.ended = ended

    def teardown(self) -> None:
        """Every build ends: one worker is enough."""
        for claim in getattr(self, "held", []):
            end(claim)
        while (claim := take_next("the last worker")) is not None:
            end(claim)
        assert not Build.objects.filter(state__in=["queued", "running"]).exists()


@pytest.mark.django_db
def test_whatever_happens_every_build_is_taken_once_within_the_limits_and_ends() -> None:
    run_state_machine_as_test(
        Workers,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class Hand:
    """A pool of one thread that works when the test says so."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def apply_async(self, work: object) -> None:
        self.given.append(work)


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    found = Hand()
    monkeypatch.setattr(tasks, "looks", tasks.Looks(tasks.build_what_waits))
    monkeypatch.setattr(tasks.looks, "pool", found)
    return found


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[uuid.UUID]:
    """The builds that were built, in their order; each fails at once."""
    found: list[uuid.UUID] = []

    def build(claim: Claim) -> None:
        found.append(claim.build_id)
        end(claim)

    monkeypatch.setattr("builds.runner.run_claimed", build)
    return found


@pytest.mark.django_db
def test_a_worker_goes_on_until_nothing_may_be_built(hand: Hand, built: list[uuid.UUID]) -> None:
    """A build that waited for its workspace's limit starts when the one before ends, not with the next message."""
    lab = waiting_in("lab", 5)
    set_limits(workspace_named("lab"), at_once=1)

    tasks.build_image(str(lab[3].pk))

    assert built == [build.pk for build in lab]


@pytest.mark.django_db
def test_the_other_threads_of_a_worker_are_woken_once_however_much_waits(
    hand: Hand, built: list[uuid.UUID]
) -> None:
    waiting_in("lab", 30)

    tasks.build_image(str(uuid.uuid4()))

    assert len(hand.given) == 1
    assert len(built) == 30


@pytest.mark.django_db
def test_a_worker_that_stops_takes_nothing_more(
    hand: Hand, built: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting_in("lab", 2)
    stopping.set()
    try:
        tasks.build_image(str(uuid.uuid4()))
        tasks.looks.one_more()
    finally:
        stopping.clear()

    assert built == []
    assert hand.given == []
