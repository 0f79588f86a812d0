"""Waiting for what cannot be interrupted, such as a server that does not answer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from builds.images.report import Reporter

T = TypeVar("T")

_GLANCE_SECONDS = 0.2


def attended(call: Callable[[], T], reporter: Reporter) -> T:
    """Return what the call returns; a cancelled build does not wait for it any longer."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="attended")
    try:
        future = pool.submit(call)
        while not wait([future], _GLANCE_SECONDS).done:
            reporter.check()
        return future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
