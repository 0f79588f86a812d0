"""A person at a terminal: types commands as they are printed, and answers what they ask."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS = 120.0


def typed(
    text: str, folder: Path, environment: Mapping[str, str], replies: Sequence[tuple[str, str]] = ()
) -> str:
    """Run a text with bash on a terminal, and return what it shows. Raises AssertionError if it fails.

    `replies` are typed in their order, each when the terminal shows its prompt.
    """
    ours, theirs = pty.openpty()
    argv = ["setsid", "--ctty", "--wait", "bash", "-eu", "-c", text]
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment)
    os.close(theirs)
    shown, read, waiting = "", 0, list(replies)
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    data = os.read(ours, 65536)
                except OSError:  # the terminal's last program has ended
                    break
                shown += data.decode(errors="replace")
            if waiting and waiting[0][0] in shown[read:]:
                read = len(shown)
                os.write(ours, waiting.pop(0)[1].encode() + b"\n")
        code = process.wait(timeout=10)
    finally:
        process.kill()
        os.close(ours)
    assert code == 0, shown
    assert not waiting, f"{waiting[0][0]!r} is not in {shown}"
    return shown
