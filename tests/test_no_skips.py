"""With CI=true a run that skipped something is not green."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def run_tests(folder: Path, text: str, ci: str) -> subprocess.CompletedProcess[str]:
    path = folder / "test_given.py"
    path.write_text(text)
    options = ["-p", "no:django", "-p", "tests.conftest", "-c", os.devnull, "-ra"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, path],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skip_fails_the_run_in_ci_and_says_why(tmp_path: Path) -> None:
    done = run_tests(tmp_path, TESTS, ci="true")

    assert done.returncode == 1
    assert "2 failed, 1 passed, 1 error" in done.stdout
    said = [
        line for line in done.stdout.splitlines() if line.startswith("With CI=true nothing may be skipped")
    ]
    assert [line.rpartition(": ")[2] for line in said] == [
        "switched off",
        "RabbitMQ is missing",
        "known to fail",
    ]


def test_a_skip_is_just_told_elsewhere(tmp_path: Path) -> None:
    done = run_tests(tmp_path, TESTS, ci="")

    assert done.returncode == 0
    assert "1 passed, 2 skipped, 1 xfailed" in done.stdout


@pytest.mark.parametrize(
    "line", ["pytest.importorskip('no_such_library')", "pytest.skip('x', allow_module_level=True)"]
)
def test_a_file_that_is_skipped_as_a_whole_fails_the_run_in_ci(line: str, tmp_path: Path) -> None:
    assert run_tests(tmp_path, f"import pytest\n{line}\n", ci="true").returncode == 2
