"""Commands forked from a process that has imported the libraries, which costs a new Python a second of CPU.

The process has imported libraries alone, nothing of the studio and no settings, so that a command reads its own
environment like any other. `run_preloaded(argv, …)` is `subprocess.run([sys.executable, *argv], …)` for tests.
"""

from __future__ import annotations

import array
import atexit
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Imports of the studio's commands. Libraries that need Django's settings are left to the commands.
LIBRARIES = (
    "celery.app",
    "cryptography.fernet",
    "django.contrib.messages",
    "django.core.management.commands.migrate",
    "django.core.serializers.json",
    "django.db.backends.postgresql.psycopg_any",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.db.models",
    "django.forms",
    "django.template",
    "django.urls",
    "docker",
    "environs",
    "httpx",
    "isal.igzip",
    "jwt",
    "kombu.transport.filesystem",
    "kombu.transport.redis",
    "packaging.pylock",
    "psycopg",
    "pydantic",
    "rattler",
    "requests",
    "structlog.stdlib",
    "yaml",
    "zstandard",
)
_lock = threading.Lock()
_server: _Server | None = None


def run_preloaded(
    argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGV…` (a script, or `-m` and a module) to its end, and return its exit code and output."""
    global _server
    with _lock:
        _server = _server or _Server()
    arguments = [str(argument) for argument in argv]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _server.run({"argv": arguments, "env": dict(env), "cwd": str(cwd)}, out.fileno(), err.fileno())
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read().decode(), err.read().decode())


class _Server:
    """The process that forks, and the way to it."""

    def __init__(self) -> None:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = near
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(far.fileno())],
            cwd=ROOT,
            pass_fds=[far.fileno()],
            stdin=subprocess.DEVNULL,
        )
        far.close()
        atexit.register(self.close)

    def run(self, request: Mapping[str, object], out: int, err: int) -> int:
        mine, its = socket.socketpair()
        descriptors = array.array("i", [its.fileno(), out, err])
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
        with mine, its:
            self._socket.sendmsg([b"."], ancillary)
            its.close()
            mine.sendall(json.dumps(request).encode())
            mine.shutdown(socket.SHUT_WR)
            answer = mine.makefile().read()
        if not answer:
            raise AssertionError("The preloaded process has died.")
        return int(answer)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


def serve(descriptor: int) -> None:
    """Fork for each request until the other end is closed."""
    for library in LIBRARIES:
        importlib.import_module(library)
    alone = len(os.listdir("/proc/self/task")) == 1
    assert alone, "A library has started a thread: what is forked would lack it."
    with socket.socket(fileno=descriptor) as requests:
        while True:
            message, descriptors, _flags, _address = socket.recv_fds(requests, 1, 3)
            if not message:
                return
            if os.fork() == 0:
                requests.close()
                _answer(*descriptors)
            for copy in descriptors:
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


def _answer(request_fd: int, out: int, err: int) -> None:
    """Run the command in a child of its own, report its exit code, and end."""
    with socket.socket(fileno=request_fd) as connection:
        request = json.loads(connection.makefile().read())
        child = os.fork()
        if child == 0:
            connection.close()
            _become(request, out, err)
        _pid, status = os.waitpid(child, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


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
    serve(int(sys.argv[1]))
