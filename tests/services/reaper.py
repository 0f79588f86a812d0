"""End what a test run left behind, also when the run itself was killed: `python reaper.py FOLDER RUN_PID`.

It waits until its standard input is closed or the run has died. Then it ends every process that works in the
run's folder or names it on its command line or in its environment, undoes what `FOLDER/undo` lists (one JSON command
a line, last line first), takes mounts off the folder and removes it.
Standard library only: it runs before and after everything else.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 12


def clean_up(folder: Path) -> None:
    """Leave nothing of the run that used the folder: no process, no network, no mount, no file."""
    end_processes(folder)
    undo = folder / "undo"
    if undo.exists():
        for line in reversed(undo.read_text().splitlines()):
            subprocess.run(json.loads(line), check=False, capture_output=True)
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((path for path in mounts if Path(path).is_relative_to(folder)), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def end_processes(folder: Path) -> None:
    """Ask the run's processes to end, and kill those that do not."""
    end = time.monotonic() + GRACE_SECONDS
    terminated: set[int] = set()
    while members := family(folder):
        late = time.monotonic() > end
        for pid, parent in members.items():
            # A parent ends its own children in the right order; we ask only those that have none above them.
            if late or (parent not in members and pid not in terminated):
                terminated.add(pid)
                send(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.05)


def send(pid: int, sign: int) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return  # it ended by itself


def family(folder: Path) -> dict[int, int]:
    """Return pid and parent of the processes that name the folder or work in it, and of all their descendants."""
    needle = str(folder).encode()
    parents: dict[int, int] = {}
    members: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            # Redis overwrites both with its title; its working directory is its data folder.
            directory = (entry / "cwd").readlink()
        except OSError:
            continue  # it ended while we looked
        if state in "ZX":
            continue
        parents[int(entry.name)] = int(parent)
        if needle in text or directory.is_relative_to(folder):
            members.add(int(entry.name))
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in members} - members
        members |= children
        grown = bool(children)
    return {pid: parents[pid] for pid in members - {os.getpid()}}


def main() -> None:
    folder, run = Path(sys.argv[1]), int(sys.argv[2])
    for sign in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)  # it outlives the end of the run
    with suppress(ProcessLookupError):  # that is: the run has died already
        select.select([sys.stdin, os.pidfd_open(run)], [], [])
    clean_up(folder)


if __name__ == "__main__":
    main()
