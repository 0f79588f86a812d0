"""Start confined processes from a small process that is made for it: Pythons that have their modules, and commands.

A Python is forked in milliseconds, as its modules are imported already, each when the first process that runs it is
forked: few studios need all of them. A command costs what a fork of the small process costs; the studio's own
processes have hundreds of megabytes and threads, and a confined child of theirs would begin as a copy of them.
The server holds no secrets: its environment is that of a confined child. It is not confined itself, reads nothing but
its requests, and ends with the process that uses it; so do its children.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Protocol

from builds.confinement import forking
from builds.confinement.confine import Confinement, environment, start, watch_tree
from builds.confinement.forked import Forked, ForkedCommand, ForkedPython

LINUX = platform.system() == "Linux"
_ROOT = Path(__file__).parents[2]
_LONGEST_MESSAGE = 1 << 16


class Process(Protocol):
    """A confined process, with the methods of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class Child(Process, Protocol):
    """A confined Python. `stdin` and `stdout` are text pipes."""

    @property
    def stdin(self) -> IO[str]: ...

    @property
    def stdout(self) -> IO[str]: ...


class Command(Process, Protocol):
    """A command that has no input, and whose output is read."""

    def communicate(self, *, timeout: float | None = None) -> tuple[bytes, bytes]: ...


class ForkServer:
    """Starts confined processes: those that run `main()` of one of the `modules`, imported once for all, and commands."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = modules
        self._lock = threading.Lock()
        self._owner = 0
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        module: str,
        confinement: Confinement,
        env: Mapping[str, str] | None = None,
        descriptor: int | None = None,
    ) -> Child:
        """Start a child; `env` are variables of its own, and a `descriptor` is its `INHERITED` one, on Linux."""
        if not LINUX:
            return _Spawned(module, confinement, env or {})
        input_, stdin = os.pipe()
        stdout, output = os.pipe()
        request = {
            "module": module,
            "confinement": _described(confinement),
            "env": environment(env or {}, *confinement.writes[:1]),
        }
        inherited = [] if descriptor is None else [descriptor]
        with _handing_over(theirs=(input_, output), mine=(stdin, stdout)):
            started = self._start(request, [input_, output, *inherited], confinement)
        return ForkedPython(started, os.fdopen(stdin, "w"), os.fdopen(stdout))

    def run(
        self,
        argv: Sequence[str],
        confinement: Confinement | None,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Command:
        """Start a command in a folder; `env` are all its variables. Raises OSError if it cannot be started.

        `confinement` is None only for programs of this machine that read nothing foreign.
        """
        variables = dict(environment({}) if env is None else env)
        if not LINUX:
            pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
            return start(
                argv, confinement, stdin=nothing, stdout=pipe, stderr=pipe, env=variables, cwd=folder
            )
        stdout, output = os.pipe()
        stderr, errors = os.pipe()
        request = {
            "argv": list(argv),
            "confinement": None if confinement is None else _described(confinement),
            "env": variables,
            "folder": None if folder is None else str(folder),
        }
        with _handing_over(theirs=(output, errors), mine=(stdout, stderr)):
            started = self._start(request, [output, errors], confinement)
        return ForkedCommand(started, stdout, stderr)

    def close(self) -> None:
        """End the server and all its children."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        server, process, self._socket, self._process = self._socket, self._process, None, None
        if server is None or process is None:
            return
        with server:
            if self._owner == os.getpid():
                with suppress(OSError):  # it has ended
                    server.shutdown(socket.SHUT_RDWR)
                process.wait()

    def _start(
        self, request: Mapping[str, object], given: Sequence[int], confinement: Confinement | None
    ) -> Forked:
        """Have a child started that gets these descriptors, and watch what it starts."""
        with self._lock:
            try:
                message, control, process = self._send(request, given)
            except (ConnectionError, EOFError):  # it was killed, perhaps for lack of memory
                self._close()
                message, control, process = self._send(request, given)
        if process is None:
            control.close()
            if message["errno"] is None:
                raise ValueError(message["text"])
            raise OSError(message["errno"], message["text"])
        child = Forked(message["pid"], process, control)
        try:
            watch_tree(child.pid, confinement, process)
        except BaseException:  # unwatched, it could take what it wants
            child.kill()
            child.wait()
            raise
        return child

    def _send(
        self, request: Mapping[str, object], given: Sequence[int]
    ) -> tuple[dict[str, Any], socket.socket, int | None]:
        """Return the server's answer, the socket that reports the child's end, and the descriptor of its process."""
        if self._socket is None or self._owner != os.getpid():
            self._launch()
        assert self._socket is not None  # noqa: S101
        control, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with far:
                body = json.dumps(request).encode()
                socket.send_fds(self._socket, [len(body).to_bytes(4, "big")], [far.fileno(), *given])
                self._socket.sendall(body)
            message, descriptors, _flags, _address = socket.recv_fds(control, _LONGEST_MESSAGE, 1)
            if not message:
                raise EOFError("The fork server has ended.")
            return json.loads(message), control, descriptors[0] if descriptors else None
        except BaseException:
            control.close()
            raise

    def _launch(self) -> None:
        near, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", forking.__name__, str(far.fileno()), *self._modules],
                stdin=subprocess.DEVNULL,
                pass_fds=[far.fileno()],
                env=_environment(),
                start_new_session=True,
            )
        self._socket, self._owner = near, os.getpid()


def _described(confinement: Confinement) -> dict[str, Any]:
    paths = {"reads": [*map(str, confinement.reads)], "writes": [*map(str, confinement.writes)]}
    return {**asdict(confinement), **paths}


@contextmanager
def _handing_over(theirs: Sequence[int], mine: Sequence[int]) -> Iterator[None]:
    """Close the ends of pipes that the child has got, and this process' own if the child is not started."""
    try:
        yield
    except BaseException:
        for descriptor in mine:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)


class _Spawned:
    """A child that is a new Python, where there is no fork server: on other systems than Linux."""

    def __init__(self, module: str, confinement: Confinement, env: Mapping[str, str]) -> None:
        program = f"from {module} import main; main()"
        self._process = start(
            [sys.executable, "-P", "-c", program],
            confinement,
            env={**_environment(), **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin  # noqa: S101
        assert self._process.stdout  # noqa: S101
        self.pid: int = self._process.pid
        self.stdin: IO[str] = self._process.stdin
        self.stdout: IO[str] = self._process.stdout
        self.poll, self.wait = self._process.poll, self._process.wait
        self.terminate, self.kill = self._process.terminate, self._process.kill


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    # Looking for plugins, pydantic would read the metadata of all that is installed.
    return environment({"PYTHONPATH": path, "PYDANTIC_DISABLE_PLUGINS": "__all__"})
