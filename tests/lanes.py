"""Two lanes: `make test` runs every test, `make quick` those that are not slow.

A test is slow if it uses a part that takes long to start, or if it is marked: `pytest.mark.slow`. Any other test
may use five seconds of CPU and no slow part, or it fails. Runs of every test allow three times as much CPU: they
are made on machines of any speed, under any load.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# Fixtures that take long to start, or that only tests of whole builds and whole studios use
SLOW_PARTS = frozenset(
    {
        "chromium",
        "desk",
        "docker_engine",
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


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that use slow parts, before `-m` selects."""
    if not SLOW_PARTS.isdisjoint(getattr(item, "fixturenames", ())):
        item.add_marker("slow")


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
    quick = request.config.getoption("markexpr") == "not slow"
    if parts or seconds > QUICK_CPU_SECONDS * (1 if quick else MARGIN):
        reason = f"uses {', '.join(sorted(parts))}" if parts else f"used {seconds:.1f} s of CPU"
        pytest.fail(f"This test {reason}: make it cheaper, or mark it with pytest.mark.slow", pytrace=False)
