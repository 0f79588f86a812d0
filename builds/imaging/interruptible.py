"""Wait for threads, but stop when the build is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from builds.imaging.reporting import Reporter

T = TypeVar("T")
A = TypeVar("A")

_CHECK_SECONDS = 0.2


def interruptible(call: Callable[[], T], reporter: Reporter) -> T:
    """Return the call's result; raise Cancelled without waiting for it once the build is cancelled."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="interruptible")
    try:
        future = pool.submit(call)
        while not wait([future], _CHECK_SECONDS).done:
            reporter.check()
        return future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def each_of(
    call: Callable[[A], T],
    arguments: Iterable[A],
    jobs: int,
    reporter: Reporter,
    completed: Callable[[T], None] = lambda _: None,
) -> list[T]:
    """Return the result of a call for each argument, in their order, some at a time; raise Cancelled in between.

    `completed` is called with each result as it comes, in the calling thread.
    """
    with ThreadPoolExecutor(jobs, thread_name_prefix="each") as pool:
        futures = [pool.submit(call, argument) for argument in arguments]
        try:
            for batch in completed_batches(futures, reporter):
                for future in batch:
                    if future.exception() is None:
                        completed(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def completed_batches(futures: Iterable[Future[T]], reporter: Reporter) -> Iterator[set[Future[T]]]:
    """Yield the futures that completed since the last batch, until all have; raise Cancelled in between.

    A batch comes at least every 0.2 seconds and may be empty, so that the caller can report progress.
    """
    pending = set(futures)
    while pending:
        completed, pending = wait_for_first(pending, reporter)
        yield completed


def wait_for_first(futures: set[Future[T]], reporter: Reporter) -> tuple[set[Future[T]], set[Future[T]]]:
    """Return the futures that are completed and the others, after 0.2 seconds at the latest; raise Cancelled."""
    completed, pending = wait(futures, _CHECK_SECONDS, FIRST_COMPLETED)
    reporter.check()
    return completed, pending
