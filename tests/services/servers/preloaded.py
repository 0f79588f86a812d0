"""Commands and servers forked from a process that has imported the libraries, which costs a new Python a second of CPU.

The process has imported libraries alone, nothing of the studio and no settings, so that a command reads its own
environment like any other. For tests, `run_preloaded(argv, …)` is `subprocess.run([sys.executable, *argv], …)` and
`PreloadedProcess([sys.executable, *argv], …)` is `Process([sys.executable, *argv], …)`.

Commands of one studio share more: the first leaves a process behind that has read its environment and set Django up,
and the next with the same environment, folder and keys are forked from that.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.services.processes import MARKER, Child, Process

ROOT = Path(__file__).resolve().parents[3]
# Imports of the studio's commands. Libraries that need Django's settings are left to the commands.
LIBRARIES = (
    "ada_url",
    "celery.app",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.fixups.django",
    "celery.worker.worker",
    "cryptography.fernet",
    "deflate",
    "dj_database_url",
    "django.contrib.admindocs.views",
    "django.contrib.messages",
    "django.core.asgi",
    "django.core.handlers.asgi",
    "django.core.mail",
    "django.core.management.commands.migrate",
    "django.core.serializers.json",
    "django.db.backends.postgresql.psycopg_any",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.db.models",
    "django.forms",
    "django.middleware.csrf",
    "django.shortcuts",
    "django.template.defaultfilters",
    "django.template.defaulttags",
    "django.template.loader_tags",
    "django.test",
    "django.urls",
    "django.views.debug",
    "django.views.generic",
    "docker",
    "environs",
    "httpcore",
    "httpx",
    "inflection",
    "isal.igzip",
    "jwt",
    "kombu.transport.filesystem",
    "kombu.transport.pyamqp",
    "kombu.transport.redis",
    "license_expression",
    "markdown_it",
    "packaging.pylock",
    "packaging.requirements",
    "pip._internal.commands.install",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "pydantic.fields",
    "pydantic.main",
    "pygments.formatters.html",
    "pygments.lexers.python",
    "rattler",
    "requests",
    "rest_framework.status",
    "securesystemslib.signer",
    "squarify",
    "standardwebhooks",
    "structlog.stdlib",
    "unittest.mock",
    "uritemplate",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.main",
    "uvicorn.protocols.http.httptools_impl",
    "whitenoise.base",
    "xml.dom.minidom",
    "yaml",
    "zstandard",
    # These import neither Django nor settings: a contract in pyproject.toml holds that.
    "builds.imaging.assemble",
    "builds.imaging.bases.find",
    "builds.imaging.conda.layers",
    "builds.imaging.packing.pipeline",
    "builds.imaging.publish.push",
    "builds.proxy.forward",
    "environments.definition.cli",
    "environments.definition.hash",
)
# Overwritten by what is started: /proc/PID/environ shows what a process was started with, not what it was forked with.
ROOM = 1000
ROOM_NAME = "PRELOADED_ROOM"
PR_SET_CHILD_SUBREAPER = 36
_lock = threading.Lock()
_lock_of_orphans = threading.Lock()
_lock_of_set_up = threading.Lock()
RUN, START = b"r", b"s"
SET_UP = 3  # processes that have set Django up: tests seldom use more studios at once
# Argv that set Django up by the environment, as it is when they are started
DJANGO = ({"manage.py"}, {"celery", "uvicorn", "tests.builds.faults.request_builds"})
WITHOUT_DJANGO = {"inspect", "diff", "convert"}
KEPT_KEYS = ("secret-key", "encryption-key")  # files that settings are read from
_server: _Server | None = None
# By what settings are read from; None: to set Django up fails, or prints something
_set_up: dict[str, _SetUpServer | None] = {}


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
            _set_up[key] = _SetUpServer.started(env, request["cwd"])
        else:
            _set_up[key] = _set_up.pop(key)  # the last to go
        return _set_up[key]


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
            [sys.executable, "-m", __name__, str(far.fileno())],
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
    def started(cls, env: Mapping[str, str], cwd: str) -> _SetUpServer | None:
        """Return it once it can fork, or nothing if these settings are refused or print something."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            own = {**env, MARKER: os.environ.get(MARKER, "")}  # it belongs to the run, and to no studio
            request = {"argv": ["-m", __name__, "set up"], "env": own, "cwd": cwd}
            pid = _start(_preloaded(), request, far.fileno())
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


def serve_set_up() -> None:
    """Set Django up, and fork for the requests from what was given as the output."""
    with socket.socket(fileno=os.dup(1)) as requests, tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        import django

        django.setup()
        sys.stdout.flush()
        sys.stderr.flush()
        if os.fstat(printed.fileno()).st_size or len(os.listdir("/proc/self/task")) > 1:
            return
        requests.send(b"1")
        _fork_for(requests, then=lambda: importlib.import_module("studio.urls"))


def serve(descriptor: int) -> None:
    """Fork for each request until the other end is closed."""
    for library in LIBRARIES:
        importlib.import_module(library)
    alone = len(os.listdir("/proc/self/task")) == 1
    assert alone, "A library has started a thread: what is forked would lack it."
    with socket.socket(fileno=descriptor) as requests:
        _fork_for(requests)


def _fork_for(requests: socket.socket, then: Callable[[], object] | None = None) -> None:
    """Fork for each request until the other end is closed; after the first, do what spares the next some work."""
    while True:
        gc.freeze()  # what is shared with the forks is not looked through again by each of them
        kind, descriptors, _flags, _address = socket.recv_fds(requests, 1, 3)
        if not kind:
            return
        orphaned, opened = os.pipe()
        between = os.fork()
        if between == 0:
            requests.close()
            os.close(opened)
            _answer(kind, orphaned, *descriptors)
        if kind == START:  # when these copies are closed, what was started has its new parent
            os.waitpid(between, 0)
        for copy in (orphaned, opened, *descriptors):
            os.close(copy)
        _reap()


def _reap() -> None:
    """Bury the children that have ended."""
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _answer(kind: bytes, orphaned: int, request_fd: int, out: int, err: int) -> None:
    """Run the command in a child, report its exit code (or, of what is only started, its id), and end."""
    with socket.socket(fileno=request_fd) as connection:
        request = json.loads(connection.makefile().read())
        child = os.fork()
        if child == 0:
            connection.close()
            if kind == START:
                os.read(orphaned, 1)
            os.close(orphaned)
            _become(request, out, err)
        if kind == START:
            connection.sendall(str(child).encode())
        else:
            _pid, status = os.waitpid(child, 0)
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _show(marker: str) -> None:
    """Write the marker to where /proc/PID/environ is read from."""
    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[47])
    name = f"{ROOM_NAME}=".encode()
    room = Path("/proc/self/environ").read_bytes().index(name) + len(name)
    text = marker.encode()
    assert len(text) <= ROOM, "The marker is longer than its room."
    ctypes.memmove(start + room, text.ljust(ROOM), ROOM)


def _become(request: dict[str, object], out: int, err: int) -> None:
    """Be the command, as if Python had been started with its arguments, environment and folder."""
    os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    argv, env = request["argv"], request["env"]
    assert isinstance(argv, list)
    assert isinstance(env, dict)
    _show(str(env.get(MARKER, "")))
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(env)
    code = 1
    try:
        if argv[0] == "-m":
            sys.argv = argv[1:]
            runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = argv
            sys.path[0] = str(Path(argv[0]).resolve().parent)
            runpy.run_path(argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # wait for threads, as Python does at its end
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


if __name__ == "__main__":
    if sys.argv[1] == "set up":
        serve_set_up()
    else:
        serve(int(sys.argv[1]))
