"""The order of tests, and in how many processes they run: the longest files first where processes share them, quick tests first in one process.

`make test ARGS="--record-seconds -p tests.cpu"` on a machine with nothing else to do writes `seconds.json` again: how long
each file took, under its name with `::` how much CPU it used, servers included, and how much CPU the tests used that the
quick lane leaves out for it (see `lanes.py`).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from functools import cache
from itertools import accumulate
from pathlib import Path
from statistics import median

import pytest

from tests.cpu import PROPERTY as CPU_OF_ALL

SECONDS = Path(__file__).with_name("seconds.json")
SLOW_CPU_SECONDS = 0.2  # of a test alone, without what it shares with others
CPU = "cpu seconds"
WAITING = 0.4  # a file waits for more than it works if it uses less of a core


def is_quick(config: pytest.Config) -> bool:
    """Return whether this is a run of the quick lane."""
    return bool(config.getoption("markexpr") == "not slow")


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


@cache
def recorded_seconds() -> Mapping[str, float]:
    """Return the recorded seconds of files, and of the tests that used much CPU."""
    seconds: dict[str, float] = json.loads(SECONDS.read_text()) if SECONDS.exists() else {}
    return seconds


def longest_first(items: list[pytest.Item], seconds: Mapping[str, float]) -> list[pytest.Item]:
    """Return the tests in the order of their files; a file that was never measured is in the middle.

    Files that mostly wait are spread evenly among the others, so that the cores always have something to do.
    """
    middle = median([value for name, value in seconds.items() if "::" not in name] or [0])
    length = {file: seconds.get(file, middle) for file in map(file_of, (item.nodeid for item in items))}
    longest = sorted(length, key=lambda file: (-length[file], file))
    waiting = [file for file in longest if seconds.get(f"{file}::", length[file]) < WAITING * length[file]]
    busy = [file for file in longest if file not in set(waiting)]
    done = {**_done_before(waiting, length), **_done_before(busy, length)}
    return sorted(items, key=lambda item: (done[file_of(item.nodeid)], file_of(item.nodeid)))


def _done_before(files: list[str], length: Mapping[str, float]) -> Mapping[str, float]:
    """Return for each of these files the share of all their seconds that is before it."""
    lengths = [length[file] for file in files]
    whole = sum(lengths) or 1
    return {
        file: before / whole for file, before in zip(files, accumulate(lengths, initial=0.0), strict=False)
    }


# After pytest-django, which sorts by how much of the database a test uses.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # no process is to work alone at the end
        items[:] = longest_first(items, recorded_seconds())
    else:  # most mistakes show within seconds
        items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run a process a core, and one more as services and browsers are waited for; two more in the quick lane.

    Each process has services of its own, the Docker Engine among them, which quick tests do not start.
    """
    return len(os.sched_getaffinity(0)) + (2 if is_quick(config) else 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-seconds", action="store_true", help="write how long each file of tests takes")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--record-seconds") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())


class Recorder:
    """Writes how long the tests of each file took, and which of them used much CPU."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.cpu: Counter[str] = Counter()
        self.tests: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.files[file_of(report.nodeid)] += report.duration  # type: ignore[assignment]
        properties = dict(report.user_properties)
        self.tests[report.nodeid] = float(str(properties.get(CPU, 0)))
        if report.when == "teardown":
            self.cpu[f"{file_of(report.nodeid)}::"] += float(str(properties.get(CPU_OF_ALL, 0)))  # type: ignore[assignment]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        slow = {test: cpu for test, cpu in self.tests.items() if cpu > SLOW_CPU_SECONDS}
        everything = {**self.files, **(+self.cpu), **slow}
        measured = {name: round(seconds, 1) for name, seconds in everything.items()}
        kept = {
            name: seconds for name, seconds in recorded_seconds().items() if file_of(name) not in self.files
        }
        whole = {**kept, **measured}
        there = {
            name: whole[name] for name in sorted(whole) if (session.config.rootpath / file_of(name)).exists()
        }
        SECONDS.write_text(json.dumps(there, indent=0) + "\n")
