"""Two lanes: `make test` runs every test, `make quick` those that are not slow.

A test is slow if it uses a part that takes long to start, if it is marked (`pytest.mark.slow`), or if it used more than
a fifth of a second of CPU when `seconds.json` was last recorded (see `longest_first.py`). Any other test may use five
seconds of CPU and no slow part, or it fails. Runs of every test allow three times as much CPU: they are made on machines of any
speed, under any load.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.longest_first import CPU, is_quick, recorded_seconds

# Fixtures that take long to start, or that only tests of whole builds and whole studios use
SLOW_PARTS = frozenset(
    {
        "chromium",
        "containerd",
        "containerd_engine",
        "desk",
        "docker_engine",
        "podman",
        "prepared_database",
        "rabbitmq",
        "start_deployment",
        "start_studio",
        "stock",
        "stoppable_rabbitmq",
        "studio",
    }
)

# CPU, because it hardly depends on what else the machine does. Quick tests use a second or two.
QUICK_CPU_SECONDS = 5.0
MARGIN = 3  # where every test runs
_SLOW_FILE = re.compile(r"^pytestmark = .*\bpytest\.mark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out of the quick lane, unread, the files whose tests are all marked: some take seconds to collect."""
    if (
        is_quick(config)
        and collection_path.suffix == ".py"
        and _SLOW_FILE.search(collection_path.read_text())
    ):
        return True
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that use slow parts or were slow when they were measured, before `-m` selects."""
    if not SLOW_PARTS.isdisjoint(getattr(item, "fixturenames", ())) or item.nodeid in recorded_seconds():
        item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Note how much CPU the test used, for `--record-seconds`."""
    before = cpu_seconds()
    try:
        return (yield)
    finally:
        item.user_properties.append((CPU, cpu_seconds() - before))


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.fixture(autouse=True)
def stays_in_its_lane(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test of the quick lane that belongs to the slow one."""
    if request.node.get_closest_marker("slow") is not None:
        yield
        return
    before = cpu_seconds()
    yield
    seconds = cpu_seconds() - before
    # Also parts requested by name while the test ran
    parts = SLOW_PARTS.intersection(request.fixturenames)
    if parts or seconds > QUICK_CPU_SECONDS * (1 if is_quick(request.config) else MARGIN):
        reason = f"uses {', '.join(sorted(parts))}" if parts else f"used {seconds:.1f} s of CPU"
        pytest.fail(f"This test {reason}: make it cheaper, or mark it with pytest.mark.slow", pytrace=False)
