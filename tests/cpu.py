"""The CPU time of each file and test, with that of servers and containers' clients: `make test ARGS="-p tests.cpu PATHS"`.

Unlike times on a clock, it hardly depends on what else the machine does. Needs root and version 2 of Linux's control
groups. What starts a shared service pays for it until the end; what the Docker Engine runs in containers counts for
nobody. The figures of all tests are in `.pytest_cache/v/tests/cpu`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

ROWS = 40
PROPERTY = "CPU seconds of all processes"


class Meter:
    """Counts the CPU time of this process and of all that come from it, in a control group of their own."""

    def __init__(self) -> None:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        root = next(Path(mount) for _device, mount, kind, *_ in mounts if kind == "cgroup2")
        groups = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line.removeprefix("0::/") for line in groups if line.startswith("0::"))
        self._before = root / own
        self._folder = self._before / f"tests-{os.getpid()}"
        self._folder.mkdir()
        (self._folder / "cgroup.procs").write_text(str(os.getpid()))
        self.counted = 0.0

    def seconds(self) -> float:
        """Return the CPU seconds up to now."""
        lines = (self._folder / "cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6

    def pytest_unconfigure(self) -> None:
        """Leave the group, which goes if nothing else is in it."""
        (self._before / "cgroup.procs").write_text(str(os.getpid()))
        with suppress(OSError):
            self._folder.rmdir()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send along what a test took, with the fixtures that it is the first to need."""
        if call.when == "teardown":
            now = self.seconds()
            item.user_properties.append((PROPERTY, now - self.counted))
            self.counted = now
        return (yield)


class Sum:
    """Adds up what the tests of all processes took, and prints the files and tests that took most."""

    def __init__(self) -> None:
        self.tests: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test's seconds."""
        seconds = dict(report.user_properties).get(PROPERTY)
        if report.when == "teardown" and seconds is not None:
            self.tests[report.nodeid] += float(str(seconds))  # type: ignore[assignment]

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        """Print the most expensive files and tests, and keep all."""
        files: Counter[str] = Counter()
        for test, seconds in self.tests.items():
            files[test.partition("::")[0]] += seconds
        if config.cache is not None:
            config.cache.set("tests/cpu", dict(self.tests))
        terminalreporter.section(f"CPU seconds of tests: {files.total():.1f}")
        for name, seconds in (*files.most_common(ROWS), *self.tests.most_common(ROWS)):
            terminalreporter.write_line(f"{seconds:8.1f} {name}")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.register(Meter())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Sum())
