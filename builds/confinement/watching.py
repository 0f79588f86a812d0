"""Watch a confined process together with all that it starts, and end all of it once that takes too much.

The kernel limits each process by itself. No confined process can leave its session, so the session's processes are
the whole tree, orphans included, and one signal to its group ends them all, however fast they multiply.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LOG = logging.getLogger(__name__)
INTERVAL_SECONDS = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")
_STATE, _USER_TIME, _SYSTEM_TIME = 0, 11, 12  # of /proc/PID/stat, behind the program's name
_HELD = ("RssAnon:", "RssShmem:", "VmSwap:")  # what files hold can be read again


@dataclass(frozen=True, slots=True)
class Most:
    """The limits of a tree: processes at a time, bytes of memory, seconds of CPU."""

    processes: int
    memory: int
    cpu: float


def watch(leader: int, process: int, most: Most) -> None:
    """Watch the session that a process leads until that process ends; `process` is its descriptor, which is closed."""
    name = f"watch-{leader}"
    threading.Thread(target=_watch, args=(leader, process, most), name=name, daemon=True).start()


def members(leader: int) -> Iterator[int]:
    """Yield the processes of a session."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(ProcessLookupError, PermissionError):
                if os.getsid(int(name)) == leader:
                    yield int(name)


class _Tree:
    """The use of a session. The CPU time of processes that have ended stays counted."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._seconds: dict[int, float] = {}

    def excess(self, most: Most) -> str:
        """Return what of it is too much now, as a part of a sentence; empty if nothing is."""
        processes, memory = 0, 0
        for pid in members(self._leader):
            with suppress(OSError):  # it has ended meanwhile
                if self._time(pid):
                    processes += 1
                    memory += _memory(pid)
        if processes > most.processes:
            return f"{processes} processes at a time"
        if memory > most.memory:
            return f"{memory / 1e6:,.0f} MB of memory"
        seconds = sum(self._seconds.values())
        return f"{seconds:,.0f} seconds of CPU" if seconds > most.cpu else ""

    def _time(self, pid: int) -> bool:
        """Note the process' CPU time; return whether it still runs."""
        stat = _stat(pid)
        self._seconds[pid] = (int(stat[_USER_TIME]) + int(stat[_SYSTEM_TIME])) / _TICKS
        return stat[_STATE] not in "ZX"


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(_HELD))


def _watch(leader: int, process: int, most: Most) -> None:
    tree = _Tree(leader)
    ended = select.poll()  # select() knows a thousand descriptors only
    ended.register(process, select.POLLIN)
    try:
        while not ended.poll(1000 * INTERVAL_SECONDS):
            if excess := tree.excess(most):
                _LOG.warning("A confined process and what it started used %s, and were ended", excess)
                break
        else:
            if _taken(leader):
                return
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
    finally:
        os.close(process)


def _taken(ended: int) -> bool:
    """Return whether another process has the id of one that has ended: what that started would keep the id its own."""
    try:
        return _stat(ended)[_STATE] not in "ZX"
    except OSError:
        return False


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
