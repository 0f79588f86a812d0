"""`make quick` leaves out what is slow, and nothing else stays slow unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inner_run import run_tests

TESTS = """
import time

import pytest

from tests import lanes

lanes.QUICK_CPU_SECONDS = 0.05

def work():
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass

@pytest.fixture
def docker_engine():
    return "an engine"

def test_that_is_quick():
    time.sleep(0.1)

@pytest.mark.slow
def test_that_is_marked():
    work()

def test_on_a_slow_part(docker_engine):
    work()
"""
HIDDEN = """
def test_that_works_hard():
    work()

def test_that_requests_a_slow_part_by_name(request):
    request.getfixturevalue("docker_engine")
"""


def test_the_quick_lane_leaves_out_what_is_marked_or_uses_a_slow_part(tmp_path: Path) -> None:
    quick = run_tests(tmp_path, TESTS, "-m", "not slow", plugin="tests.lanes")
    whole = run_tests(tmp_path, TESTS, plugin="tests.lanes")

    assert "1 passed, 2 deselected" in quick.stdout
    assert "3 passed" in whole.stdout


def test_what_is_slow_without_a_mark_fails_in_either_lane(tmp_path: Path) -> None:
    for lane in ([], ["-m", "not slow"]):
        run = run_tests(tmp_path, TESTS + HIDDEN, *lane, plugin="tests.lanes")

        assert run.returncode == 1
        assert "2 errors" in run.stdout
        assert "This test used 0.2 s of CPU: make it cheaper, or mark it with pytest.mark.slow" in run.stdout
        assert "This test uses docker_engine: make it cheaper" in run.stdout


def test_every_run_has_lanes(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("tests.lanes")
