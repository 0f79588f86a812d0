"""The CPU time of each file and test, with that of servers and containers' clients: `make test ARGS="-n0 -p tests.cpu PATHS"`.

Unlike times on a clock, it hardly depends on what else the machine does. Needs root and version 2 of Linux's control
groups. What the Docker Engine runs in containers counts for nobody.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

ROWS = 40


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
        self.tests: Counter[str] = Counter()

    def seconds(self) -> float:
        """Return the CPU seconds up to now."""
        lines = (self._folder / "cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6

    def pytest_unconfigure(self) -> None:
        """Leave the group, which goes if nothing else is in it."""
        (self._before / "cgroup.procs").write_text(str(os.getpid()))
        with suppress(OSError):
            self._folder.rmdir()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Add up what a test takes, with the fixtures that it is the first to need."""
        before = self.seconds()
        try:
            return (yield)
        finally:
            self.tests[item.nodeid] += self.seconds() - before  # type: ignore[assignment]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the files and tests that took most."""
        files: Counter[str] = Counter()
        for test, seconds in self.tests.items():
            files[test.partition("::")[0]] += seconds
        terminalreporter.section(f"CPU seconds: {self.seconds():.1f}, of them in tests {files.total():.1f}")
        for name, seconds in (*files.most_common(ROWS), *self.tests.most_common(ROWS)):
            terminalreporter.write_line(f"{seconds:8.1f} {name}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Meter())
