"""Waiting for threads reports progress, and ends as soon as the build is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice

import pytest

from builds.imaging.interruptible import completed_batches, each_of, interruptible
from builds.imaging.reporting import Cancelled
from tests.builds.imaging.conftest import Recorder


class CancelledAtCheck(Recorder):
    """A reporter whose build is cancelled at the given check."""

    def __init__(self, check: int) -> None:
        super().__init__()
        self._left = check

    def check(self) -> None:
        self._left -= 1
        if not self._left:
            raise Cancelled


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that is set only after the test, so that its threads end."""
    event = threading.Event()
    yield event
    event.set()


def test_each_future_comes_in_exactly_one_batch() -> None:
    futures: list[Future[int]] = [Future() for _ in range(3)]
    futures[0].set_result(0)
    batches = completed_batches(futures, Recorder())

    assert next(batches) == {futures[0]}
    futures[1].set_result(1)
    futures[2].set_exception(ValueError())
    rest = list(batches)

    assert set().union(*rest) == {futures[1], futures[2]}
    assert sum(map(len, rest)) == 2


def test_a_batch_is_empty_while_nothing_completes_so_that_progress_is_reported() -> None:
    pending: Future[None] = Future()

    assert list(islice(completed_batches([pending], Recorder()), 2)) == [set(), set()]


def test_a_cancelled_build_waits_for_no_future() -> None:
    pending: Future[None] = Future()
    batches = completed_batches([pending], CancelledAtCheck(2))

    assert next(batches) == set()
    with pytest.raises(Cancelled):
        next(batches)


def test_no_futures_are_no_batches_and_no_check() -> None:
    assert list(completed_batches([], CancelledAtCheck(1))) == []


def test_a_cancelled_build_waits_for_no_call(never: threading.Event) -> None:
    with pytest.raises(Cancelled):
        interruptible(never.wait, CancelledAtCheck(1))


def test_the_error_of_a_call_reaches_the_caller() -> None:
    def refuse() -> None:
        raise PermissionError("not here")

    with pytest.raises(PermissionError, match="not here"):
        interruptible(refuse, Recorder())


def test_each_result_is_handed_over_as_it_comes_and_all_are_returned_in_order() -> None:
    first = threading.Event()
    handed: list[int] = []

    def call(number: int) -> int:
        if number == 0:
            assert first.wait(30)
        return number

    def completed(number: int) -> None:
        handed.append(number)
        first.set()

    assert each_of(call, range(2), 2, Recorder(), completed) == [0, 1]
    assert handed == [1, 0]


def test_of_several_errors_that_of_the_first_argument_is_raised() -> None:
    second = threading.Event()

    def call(number: int) -> int:
        if number == 0:
            assert second.wait(30)
        else:
            second.set()
        raise ValueError(str(number))

    with pytest.raises(ValueError, match="0"):
        each_of(call, range(2), 2, Recorder())
