"""Commands and servers forked from a process that has imported the libraries, which costs a new Python a second of CPU.

The process has imported libraries alone, nothing of the studio and no settings, so that a command reads its own
environment like any other. For tests, `run_preloaded(argv, …)` is `subprocess.run([sys.executable, *argv], …)` and
`PreloadedProcess([sys.executable, *argv], …)` is `Process([sys.executable, *argv], …)`.

Commands of one studio share more: the first leaves a process behind that has read its environment and set Django up,
and the next with the same environment, folder and keys are forked from that. Another studio's is forked from the first
of its kind, and only reads its settings, if they leave as it is what was read to set Django up (see `forking.py`).
"""

from __future__ import annotations

import array
import atexit
import ctypes
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.services.processes import MARKER, Child, Process
from tests.services.servers import forking
from tests.services.servers.forking import ROOM, ROOM_NAME, RUN, START

ROOT = Path(__file__).resolve().parents[3]
PR_SET_CHILD_SUBREAPER = 36
_lock = threading.Lock()
_lock_of_orphans = threading.Lock()
_lock_of_set_up = threading.Lock()
SET_UP = 3  # processes that have set Django up: tests seldom use more studios at once
# Argv that set Django up by the environment, as it is when they are started
DJANGO = ({"manage.py"}, {"celery", "uvicorn", "tests.builds.faults.request_builds"})
WITHOUT_DJANGO = {"inspect", "diff", "convert"}
KEPT_KEYS = ("secret-key", "encryption-key")  # files that settings are read from
_server: _Server | None = None
# By what settings are read from; None: to set Django up fails, or prints something
_set_up: dict[str, _SetUpServer | None] = {}
_first_set_up: dict[str, _SetUpServer] = {}  # by settings module, folder and kind of database


def run_preloaded(
    argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGV…` (a script, or `-m` and a module) to its end, and return its exit code and output."""
    arguments = [str(argument) for argument in argv]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        request = {"argv": arguments, "env": dict(env), "cwd": str(cwd)}
        code = _server_for(request).request(RUN, request, out.fileno(), err.fileno())
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read().decode(), err.read().decode())


class PreloadedProcess(Process):
    """A `Process` of this Python (`argv` begins with `sys.executable`), forked instead of started."""

    def start(
        self, output: int, env: Mapping[str, str], cwd: Path | None, user: int | None, group: int | None
    ) -> Child:
        """Fork it, as a child of this process in a session of its own."""
        assert self.argv[0] == sys.executable
        if "LD_PRELOAD" in env or user is not None or group is not None:  # only a new process can have these
            return super().start(output, env, cwd, user, group)
        request = {"argv": self.argv[1:], "env": dict(env), "cwd": str(cwd or Path.cwd())}
        return Forked(_start(_server_for(request), request, output))


def _start(server: _Requests, request: Mapping[str, Any], output: int) -> int:
    """Return the id of a process that is started as a child of this."""
    with _lock_of_orphans:
        _adopt_orphans(True)
        try:
            return server.request(START, request, output, output)
        finally:
            _adopt_orphans(False)


def _adopt_orphans(adopt: bool) -> None:
    """Become, or stop being, the new parent of descendants that have lost theirs."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _preloaded() -> _Server:
    global _server
    with _lock:
        _server = _server or _Server()
    return _server


def _server_for(request: Mapping[str, Any]) -> _Requests:
    """Return the process with the most set up for this request."""
    return _set_up_for(request) or _preloaded()


def _set_up_for(request: Mapping[str, Any]) -> _SetUpServer | None:
    argv, env = request["argv"], request["env"]
    script, modules = DJANGO
    known = argv[0] in script and not WITHOUT_DJANGO.intersection(argv[1:2])
    if "STUDIO_VAR" not in env or not (known or (argv[0] == "-m" and argv[1] in modules)):
        return None
    env = {"DJANGO_SETTINGS_MODULE": "studio.settings", **env}
    keys = [_state(Path(env["STUDIO_VAR"], name)) for name in KEPT_KEYS]
    key = json.dumps([sorted((name, env[name]) for name in env.keys() - {MARKER}), request["cwd"], keys])
    with _lock_of_set_up:
        if key not in _set_up:
            used = [other for other, server in _set_up.items() if server is not None]
            for other in used[: len(used) + 1 - SET_UP]:
                server = _set_up.pop(other)
                assert server is not None
                server.close()
            _set_up[key] = _set_up_by(env, request["cwd"])
        else:
            _set_up[key] = _set_up.pop(key)  # the last to go
        return _set_up[key]


def _set_up_by(env: Mapping[str, str], cwd: str) -> _SetUpServer | None:
    """Set Django up, or take the settings where it has been set up by similar ones."""
    database = env.get("DATABASE_URL", "").partition(":")[0]
    kind = json.dumps([env["DJANGO_SETTINGS_MODULE"], env.get("PYTHONPATH"), cwd, database])
    if kind not in _first_set_up:
        first = _SetUpServer.started(_preloaded(), env, cwd)
        if first is None:
            return None
        _first_set_up[kind] = first
    return _SetUpServer.started(_first_set_up[kind], env, cwd) or _SetUpServer.started(_preloaded(), env, cwd)


def _state(file: Path) -> list[int]:
    try:
        stat = file.stat()
    except OSError:
        return []
    return [stat.st_ino, stat.st_mtime_ns, stat.st_size]


class Forked:
    """A child process with the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
                os.close(self._descriptor)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended, or raise subprocess.TimeoutExpired."""
        if self.poll() is None:
            select.select([self._descriptor], [], [], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, sign: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sign)


class _Requests:
    """A process that forks, at the other end of a socket."""

    def __init__(self, to_it: socket.socket) -> None:
        self._socket = to_it

    def request(self, kind: bytes, request: Mapping[str, Any], out: int, err: int) -> int:
        """Return the exit code of a command that is run, the id of a process that is started."""
        mine, its = socket.socketpair()
        descriptors = array.array("i", [its.fileno(), out, err])
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
        with mine, its:
            self._socket.sendmsg([kind], ancillary)
            its.close()
            mine.sendall(json.dumps(request).encode())
            mine.shutdown(socket.SHUT_WR)
            answer = mine.makefile().read()
        if not answer:
            raise AssertionError("The preloaded process has died.")
        return int(answer)


class _Server(_Requests):
    """The process that has imported libraries."""

    def __init__(self) -> None:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(near)
        self._process = subprocess.Popen(
            [sys.executable, "-m", forking.__name__, str(far.fileno())],
            cwd=ROOT,
            env={**os.environ, ROOM_NAME: " " * ROOM},
            pass_fds=[far.fileno()],
            stdin=subprocess.DEVNULL,
        )
        far.close()
        atexit.register(self.close)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


class _SetUpServer(_Requests):
    """A process that has set Django up by an environment."""

    def __init__(self, to_it: socket.socket, pid: int) -> None:
        super().__init__(to_it)
        self._process = Forked(pid)
        atexit.register(self.close)

    @classmethod
    def started(cls, by: _Requests, env: Mapping[str, str], cwd: str) -> _SetUpServer | None:
        """Return it, forked from another, once it can fork; or nothing if these settings are refused or print something."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            own = {**env, MARKER: os.environ.get(MARKER, "")}  # it belongs to the run, and to no studio
            request = {"argv": ["-m", forking.__name__, "set up"], "env": own, "cwd": cwd}
            pid = _start(by, request, far.fileno())
        server = cls(near, pid)
        if near.recv(1):
            return server
        server.close()
        return None

    def close(self) -> None:
        """End it; what it has forked goes on."""
        atexit.unregister(self.close)
        self._socket.close()
        self._process.wait()
