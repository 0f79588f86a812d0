"""The order of tests, and in how many processes they run: the longest files first where processes share them, quick tests first in one process.

`make test ARGS=--record-seconds` on a machine with nothing else to do writes `seconds.json` again.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import pytest

SECONDS = Path(__file__).with_name("seconds.json")


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def longest_first(items: list[pytest.Item], seconds: Mapping[str, float]) -> list[pytest.Item]:
    """Return the tests in the order of their files; a file that was never measured is in the middle."""
    middle = median(seconds.values()) if seconds else 0

    def key(item: pytest.Item) -> tuple[float, str]:
        file = file_of(item.nodeid)
        return -seconds.get(file, middle), file

    return sorted(items, key=key)


# After pytest-django, which sorts by how much of the database a test uses.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # no process is to work alone at the end
        items[:] = longest_first(items, json.loads(SECONDS.read_text()))
    else:  # most mistakes show within seconds
        items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run a process a core, and one more where engines, registries and browsers are waited for."""
    cores = len(os.sched_getaffinity(0))
    return cores if config.getoption("markexpr") == "not slow" else cores + 1


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-seconds", action="store_true", help="write how long each file of tests takes")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--record-seconds") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())


class Recorder:
    """Writes how long the tests of each file took."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[file_of(report.nodeid)] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        measured = {file: round(seconds, 1) for file, seconds in self.seconds.items()}
        kept = json.loads(SECONDS.read_text()) if SECONDS.exists() else {}
        whole = {**kept, **measured}
        there = {file: whole[file] for file in sorted(whole) if (session.config.rootpath / file).exists()}
        SECONDS.write_text(json.dumps(there, indent=0) + "\n")
