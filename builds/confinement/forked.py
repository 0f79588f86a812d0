"""A confined process that the fork server started, as the process sees it that uses it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import IO


class Forked:
    """A child of the server, with the methods of `subprocess.Popen`."""

    def __init__(self, pid: int, process: int, control: socket.socket) -> None:
        self.pid = pid
        self.process = process  # a descriptor: a process id could be another process's by now
        self.returncode: int | None = None
        self.control = control

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self.wait(0) if self.returncode is None and readable([self.process], 0) else self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended. Raises subprocess.TimeoutExpired after so many seconds."""
        if self.returncode is None:
            if not readable([self.process], timeout):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            code = self.control.recv(64)
            self.returncode = int(code) if code else -signal.SIGKILL  # with the server
            self.control.close()
            os.close(self.process)
        return self.returncode

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.process, number)


class ForkedPython(Forked):
    """A child that answers requests. `stdin` and `stdout` are text pipes."""

    def __init__(self, started: Forked, stdin: IO[str], stdout: IO[str]) -> None:
        super().__init__(started.pid, started.process, started.control)
        self.stdin, self.stdout = stdin, stdout


class ForkedCommand(Forked):
    """A command without input. `stdout` and `stderr` are descriptors of pipes."""

    def __init__(self, started: Forked, stdout: int, stderr: int) -> None:
        super().__init__(started.pid, started.process, started.control)
        self._pipes = (stdout, stderr)
        self._open = {stdout, stderr}
        self._output = {stdout: bytearray(), stderr: bytearray()}

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Return its output and its errors once it has ended. Raises subprocess.TimeoutExpired after so many seconds.

        Nothing is lost by that: it can be called again.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self._open:
            ready = readable(self._open, _left(until))
            if not ready:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            for pipe in ready:
                piece = os.read(pipe, 1 << 16)
                self._output[pipe] += piece
                if not piece:
                    self._open.remove(pipe)
                    os.close(pipe)
        self.wait(_left(until))
        out, errors = self._pipes
        return bytes(self._output[out]), bytes(self._output[errors])


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - time.monotonic())


def readable(descriptors: Iterable[int], timeout: float | None) -> list[int]:
    """Return which of these can be read, or have come to their end, within so many seconds.

    Their numbers may be any: select() knows a thousand only.
    """
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in waiting.poll(None if timeout is None else 1000 * timeout)]
