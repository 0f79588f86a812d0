"""Processes that tests start, watch and kill: nothing of them is left when the test run ends.

Linux only: what is running is read from /proc.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Protocol
from uuid import uuid4

# Every process of a test run carries this; the reaper finds the forgotten ones by it.
MARKER = "STUDIO_TEST_PROCESS"

# Below where the kernel takes outgoing ports from, so that a stopped service finds its port free again.
PORTS = range(20_000, 32_000)


class NotReadyError(AssertionError):
    """A wait has timed out; the message ends with the process's last output."""


@dataclass(frozen=True)
class ProcessInfo:
    """One line of the process table."""

    pid: int
    parent: int
    session: int
    zombie: bool
    name: str
    command: str


def process_table() -> dict[int, ProcessInfo]:
    """Return every process of this machine by its id."""
    table = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        name, _, rest = stat.partition("(")[2].rpartition(")")
        state, parent, _group, session = rest.split()[:4]
        pid = int(folder.name)
        table[pid] = ProcessInfo(pid, int(parent), int(session), state in "ZX", name, command or f"[{name}]")
    return table


def descendants(pid: int, table: Mapping[int, ProcessInfo] | None = None) -> list[ProcessInfo]:
    """Return the living children of a process, their children, and so on, parents first."""
    table = process_table() if table is None else table
    processes: list[ProcessInfo] = []
    parents = {pid}
    while parents:
        children = [process for process in table.values() if process.parent in parents]
        processes += children
        parents = {process.pid for process in children}
    return [process for process in processes if not process.zombie]


def processes_holding(text: str, table: Mapping[int, ProcessInfo] | None = None) -> list[ProcessInfo]:
    """Return the living processes whose environment, command line or working directory holds the text."""
    needle = text.encode()
    processes = []
    for process in (process_table() if table is None else table).values():
        if process.zombie or process.pid == os.getpid():
            continue
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            directory = str(Path(f"/proc/{process.pid}/cwd").readlink())
        except OSError:
            environment, directory = b"", ""
        if needle in environment or text in process.command or text in directory:
            processes.append(process)
    return processes


def kill(processes: Iterable[ProcessInfo | int], sign: int = signal.SIGKILL) -> None:
    """Send the signal to each process that is still there."""
    for process in processes:
        try:
            os.kill(process if isinstance(process, int) else process.pid, sign)
        except ProcessLookupError:
            continue  # gone already: what we wanted


@contextmanager
def many_open_files() -> Iterator[None]:
    """Give this process more open files than select() can take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def wait_until(happened: Callable[[], bool], seconds: float, otherwise: Callable[[], str] | str) -> None:
    """Return as soon as it happened, else raise NotReadyError with the sentence after so many seconds.

    It looks again after a fiftieth of the time waited so far, so that long waits leave the CPU to what they wait for.
    """
    start = time.monotonic()
    while not happened():
        waited = time.monotonic() - start
        if waited > seconds:
            sentence = otherwise if isinstance(otherwise, str) else otherwise()
            raise NotReadyError(f"{sentence} (waited {seconds:g} s)")
        time.sleep(min(max(waited / 50, 0.02), 0.2))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    for port in SystemRandom().sample(PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NotReadyError(f"none of 200 ports between {PORTS.start} and {PORTS.stop} is free on 127.0.0.1")


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Child(Protocol):
    """A child process, as `subprocess.Popen` gives it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...


class Process:
    """A program running in a session of its own, with its output kept in a file.

    `marker` is in the environment of it and of all that it starts, so that stragglers are found
    even when they have left its session and its family.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        output: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        group: int | None = None,
    ) -> None:
        self.argv = [str(word) for word in argv]
        self.output = output
        self.marker = uuid4().hex
        run = os.environ.get(MARKER, "")
        environment = {**(os.environ if env is None else env), MARKER: f"{run} {self.marker}".strip()}
        with output.open("ab") as file:
            self.started_at = file.tell()
            self.popen = self.start(file.fileno(), environment, cwd, user, group)

    def start(
        self, output: int, env: Mapping[str, str], cwd: Path | None, user: int | None, group: int | None
    ) -> Child:
        """Start the program with its output in an open file."""
        return subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            start_new_session=True,
            # A run in the background of a shell is deaf to Ctrl-C, and so would be what it starts.
            preexec_fn=_hear_ctrl_c,
        )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    @property
    def returncode(self) -> int | None:
        return self.popen.poll()

    def text(self) -> str:
        """Return what it has written since it was started."""
        with self.output.open("rb") as file:
            file.seek(self.started_at)
            return file.read().decode(errors="replace")

    def wait_for_line(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """Return the first match of the pattern in a whole line of its output, once it is written."""
        wanted = re.compile(pattern)

        def look() -> re.Match[str] | None:
            whole, newline, _rest = self.text().rpartition("\n")
            return next(
                (match for line in (whole + newline).splitlines() if (match := wanted.search(line))), None
            )

        wait_until(
            lambda: look() is not None or not self.running,
            seconds,
            lambda: f"{self.argv[0]} wrote no line like {pattern!r}. {self.last_words()}",
        )
        match = look()
        if match is None:
            raise NotReadyError(f"{self.argv[0]} ended before a line like {pattern!r}. {self.last_words()}")
        return match

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Return once it is ready; raise NotReadyError with its last words if it ends or takes too long."""
        wait_until(
            lambda: not self.running or ready(),
            seconds,
            lambda: f"{self.argv[0]} is not ready. {self.last_words()}",
        )
        if not self.running:
            raise NotReadyError(f"{self.argv[0]} ended while starting. {self.last_words()}")

    def wait(self, seconds: float = 30) -> int:
        """Return its exit status once it has ended by itself."""
        wait_until(
            lambda: not self.running, seconds, lambda: f"{self.argv[0]} has not ended. {self.last_words()}"
        )
        return self.popen.wait()

    def last_words(self) -> str:
        lines = self.text().splitlines()[-40:]
        state = "It is running" if self.running else f"It ended with {self.returncode}"
        return f"{state}; the end of its output:\n" + "\n".join(lines)

    def family(self) -> list[ProcessInfo]:
        """Return it and every living process that came from it: children, same session, or same marker."""
        ended = not self.running
        table = process_table()
        related = {process.pid for process in processes_holding(self.marker, table)}
        # While anything of its session lives, its number is given to nobody else; afterwards it may be.
        if not (ended and self.pid in table):
            related |= {process.pid for process in descendants(self.pid, table)}
            related |= {
                process.pid for process in table.values() if self.pid in (process.pid, process.session)
            }
        return [table[pid] for pid in sorted(related & table.keys()) if not table[pid].zombie]

    def signal(self, sign: int) -> None:
        """Send a signal to the program alone."""
        if self.running:
            self.popen.send_signal(sign)

    def interrupt(self) -> None:
        """Do what Ctrl-C does: SIGINT to its whole process group."""
        if self.running:
            os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill the program alone with -9, as a crash would, and leave its children as they are."""
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def kill_family(self) -> None:
        """Kill it and everything that came from it with -9."""
        while family := self.family():
            kill(family)
            self.popen.wait()
            time.sleep(0.01)  # the kernel takes a moment to bury them
        self.popen.wait()

    def stop(self, seconds: float = 10) -> int:
        """Ask it to end, kill what has not ended after so many seconds; return the exit status."""
        self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(seconds)
        self.kill_family()
        return self.popen.wait()

    def assert_nothing_left(self, seconds: float = 8) -> None:
        """Fail if a descendant of this process is still alive after so many seconds."""

        def left() -> str:
            return "left behind: " + "; ".join(
                f"{process.pid} {process.command}" for process in self.family()
            )

        wait_until(lambda: not self.family(), seconds, left)
