"""Rules for every test: real services, lanes, order, and no skips in CI."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
from django.db import models  # noqa: F401 (first: its parts import each other)
from hypothesis import settings as property_settings
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from tests.services.parts import PARTS

MOST_MEGABYTES = 700  # all tests, collected: about 270
# Objects between two passes of the garbage collector. With Python's 700 it takes a twentieth of the tests' time.
BETWEEN_PASSES = 5_000

# The time that an example takes depends on what else the machine does. Under CI, hypothesis' own profile is the default.
property_settings.register_profile("without a deadline", property_settings.default, deadline=None)
property_settings.load_profile("without a deadline")

pytest_plugins = [
    "tests.longest_first",
    "tests.lanes",
    "tests.no_skips",
    "tests.emptying",
    "tests.services.either_database",
    "tests.services.fixtures",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    names = Counter(item.nodeid for item in items)
    if twice := sorted(name for name, times in names.items() if times > 1):
        raise pytest.UsageError(
            f"Tests that share a name: {', '.join(twice)}. With -n only one of them would run."
        )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector pass over what lasts as long as the run: most of a second, each time it looks."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(BETWEEN_PASSES)
        gc.enable()


def pytest_collection_finish() -> None:
    """Refuse modules that build large values when they are imported: every test process would hold them all."""
    megabytes = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    if megabytes > MOST_MEGABYTES:
        raise pytest.UsageError(
            f"The tests take {megabytes} MB before the first runs; {MOST_MEGABYTES} MB is the most."
            " Build large values inside of tests."
        )


def pytest_report_header() -> list[str]:
    return [f"skipped: {reason}" for part in PARTS if (reason := part.missing())]


@pytest.fixture(autouse=True, scope="session")
def static_files_are_listed_once() -> Generator[None, None, None]:
    """Each test client lists all static files before its first request; nothing changes them while tests run."""
    list_files = WhiteNoiseMiddleware.add_files_from_finders
    known: dict[tuple[object, ...], dict[str, StaticFile]] = {}

    def listed(self: WhiteNoiseMiddleware) -> None:
        key = (type(self), self.static_prefix, self.max_age, self.allow_all_origins, self.charset)
        if key not in known:
            list_files(self)
            known[key] = dict(self.files)
        self.files.update(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", listed)
        yield
