"""No test process works alone at the end: the longest files come first."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.inner_run import run_tests
from tests.longest_first import longest_first

RECORDED = """
import time
from pathlib import Path

from tests import longest_first

longest_first.SECONDS = Path(__file__).with_name("seconds.json")

def test_that_waits():
    time.sleep(0.2)
"""


def test_files_come_by_their_length_and_one_that_was_never_measured_in_the_middle() -> None:
    tests: list[Any] = [
        SimpleNamespace(nodeid=nodeid)
        for nodeid in ("short.py::a", "new.py::b", "middle.py::c", "long.py::d", "short.py::e", "long.py::f")
    ]

    seconds = {"short.py": 1, "short.py::a": 0.9, "short.py::e": 0.8, "middle.py": 5, "long.py": 9}
    ordered = longest_first(tests, seconds)

    assert [test.nodeid for test in ordered] == [
        *("long.py::d", "long.py::f", "middle.py::c", "new.py::b", "short.py::a", "short.py::e")
    ]


def test_files_that_wait_are_spread_among_the_others() -> None:
    waiting = {"w1.py": 90, "w1.py::": 9, "w2.py": 60, "w2.py::": 6, "w3.py": 30, "w3.py::": 3}
    busy = {"b1.py": 40, "b1.py::": 30, "b2.py": 30, "b2.py::": 29, "b3.py": 20, "b4.py": 10, "b4.py::": 5}
    tests: list[Any] = [SimpleNamespace(nodeid=f"{kind}{n}.py::a") for kind in "bw" for n in (1, 2, 3)]

    ordered = longest_first([*tests, SimpleNamespace(nodeid="b4.py::a")], {**waiting, **busy})  # type: ignore[list-item]

    assert [test.nodeid.partition(".")[0] for test in ordered] == ["b1", "w1", "b2", "w2", "b3", "w3", "b4"]


def test_the_seconds_of_the_files_that_ran_are_recorded_and_files_that_are_gone_forgotten(
    tmp_path: Path,
) -> None:
    recorded = tmp_path / "seconds.json"
    (tmp_path / "test_kept.py").touch()
    kept = {"test_kept.py": 7.0, "test_kept.py::test_a": 2.0}
    recorded.write_text(json.dumps({**kept, "test_given.py::test_gone": 5.0, "test_gone.py": 8.0}))

    done = run_tests(
        tmp_path, RECORDED, "--record-seconds", f"--rootdir={tmp_path}", plugin="tests.longest_first"
    )

    assert done.returncode == 0, done.stdout
    seconds = json.loads(recorded.read_text())
    assert {name: seconds[name] for name in kept} == kept
    assert seconds.keys() - kept.keys() == {"test_given.py"}
    assert seconds["test_given.py"] >= 0.2


def test_every_run_is_ordered(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.has_plugin("tests.longest_first")
