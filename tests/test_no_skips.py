"""With CI=true a run that skipped something is not green."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inner_run import run_tests

TESTS = """
import pytest

def test_that_runs():
    pass

def test_whose_part_is_missing():
    pytest.skip("RabbitMQ is missing")

@pytest.mark.skip(reason="switched off")
def test_switched_off():
    pass

@pytest.mark.xfail(reason="known to fail")
def test_known_to_fail():
    assert False
"""


def test_a_skip_fails_the_run_in_ci_and_says_why(tmp_path: Path) -> None:
    done = run_tests(tmp_path, TESTS, plugin="tests.no_skips", CI="true")

    assert done.returncode == 1
    assert "2 failed, 1 passed, 1 error" in done.stdout
    message = [
        line for line in done.stdout.splitlines() if line.startswith("With CI=true nothing may be skipped")
    ]
    assert [line.rpartition(": ")[2] for line in message] == [
        "switched off",
        "RabbitMQ is missing",
        "known to fail",
    ]


def test_a_skip_is_only_reported_elsewhere(tmp_path: Path) -> None:
    done = run_tests(tmp_path, TESTS, plugin="tests.no_skips", CI="")

    assert done.returncode == 0
    assert "1 passed, 2 skipped, 1 xfailed" in done.stdout


@pytest.mark.parametrize(
    "line", ["pytest.importorskip('no_such_library')", "pytest.skip('x', allow_module_level=True)"]
)
def test_a_file_that_is_skipped_as_a_whole_fails_the_run_in_ci(line: str, tmp_path: Path) -> None:
    done = run_tests(tmp_path, f"import pytest\n{line}\n", plugin="tests.no_skips", CI="true")

    assert done.returncode == 2


def test_every_run_forbids_skips(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("tests.no_skips")
