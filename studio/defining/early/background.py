"""Answers from outside that are looked up in threads and cached, so that no page waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.cache import cache

MOST_PENDING = 200
"""More lookups than this at a time are not begun: a hostile definition could name any number."""

Lookup = Callable[[], tuple[Any, float]]
"""Returns the answer, and for how many seconds it holds. It must not raise."""


class Background:
    """Lookups by key: each runs once at a time, and its answer is cached."""

    def __init__(self, name: str, threads: int = 2) -> None:
        self._name = name
        self._pending: set[str] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)

    def answer(self, key: str, look_up: Lookup) -> tuple[Any, bool]:
        """Return the cached answer, else None; and whether it is being looked up."""
        cached = cache.get(self._key(key))
        if cached is not None:
            return cached[0], False
        with self._lock:
            if key in self._pending:
                return None, True
            if len(self._pending) >= MOST_PENDING:
                return None, False
            self._pending.add(key)
        self._threads.submit(self._run, key, look_up)
        return None, True

    def _run(self, key: str, look_up: Lookup) -> None:
        try:
            answer, seconds = look_up()
            cache.set(self._key(key), (answer,), seconds)
        finally:
            with self._lock:
                self._pending.discard(key)

    def _key(self, key: str) -> str:
        return f"early:{self._name}:{key}".replace(" ", "")
