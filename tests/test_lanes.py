"""`make quick` leaves out what is slow, and nothing else stays slow unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import lanes
from tests.inner_run import run_tests

TESTS = """
import time

import pytest

from pathlib import Path

from tests import lanes, longest_first

lanes.QUICK_CPU_SECONDS = 0.05
longest_first.SLOW_CPU_SECONDS = 0.05
longest_first.SECONDS = Path(__file__).with_name("seconds.json")

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
MEASURED = """
def test_that_used_much_cpu():
    work()
"""
HIDDEN = """
def test_that_works_hard():
    work()

def test_that_requests_a_slow_part_by_name(request):
    request.getfixturevalue("docker_engine")
"""


@pytest.mark.slow
def test_the_quick_lane_leaves_out_what_is_marked_or_uses_a_slow_part(tmp_path: Path) -> None:
    quick = run_tests(tmp_path, TESTS, "-m", "not slow", plugin="tests.lanes")
    whole = run_tests(tmp_path, TESTS, plugin="tests.lanes")

    assert "1 passed, 2 deselected" in quick.stdout
    assert "3 passed" in whole.stdout


def test_a_file_that_is_slow_as_a_whole_is_not_read_for_the_quick_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    slow, mixed = tmp_path / "test_slow.py", tmp_path / "test_mixed.py"
    slow.write_text("pytestmark = [pytest.mark.django_db, pytest.mark.slow]\n")
    mixed.write_text("pytestmark = pytest.mark.django_db\n\n@pytest.mark.slow\ndef test_a() -> None: ...\n")

    for lane, ignored in (("not slow", [True, None]), ("", [None, None])):
        monkeypatch.setattr(pytestconfig.option, "markexpr", lane)
        assert [lanes.pytest_ignore_collect(path, pytestconfig) for path in (slow, mixed)] == ignored


@pytest.mark.slow
def test_what_used_much_cpu_when_it_was_measured_is_slow(tmp_path: Path) -> None:
    tests = TESTS + MEASURED

    recorder = ("-p", "tests.longest_first", f"--rootdir={tmp_path}")

    run_tests(tmp_path, tests, *recorder, "--record-seconds", plugin="tests.lanes")
    quick = run_tests(tmp_path, tests, *recorder, "-m", "not slow", plugin="tests.lanes")

    assert "1 passed, 3 deselected" in quick.stdout


@pytest.mark.slow
def test_what_is_slow_without_a_mark_fails_in_either_lane(tmp_path: Path) -> None:
    for lane in ([], ["-m", "not slow"]):
        run = run_tests(tmp_path, TESTS + HIDDEN, *lane, plugin="tests.lanes")

        assert run.returncode == 1
        assert "2 errors" in run.stdout
        assert "This test used 0.2 s of CPU: make it cheaper, or mark it with pytest.mark.slow" in run.stdout
        assert "This test uses docker_engine: make it cheaper" in run.stdout


def test_every_run_has_lanes(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("tests.lanes")
