"""Fork confined Python processes from a process that has imported their modules, in milliseconds.

A module is imported when the first process that runs it is forked: few studios need all of them.
The server holds no secrets: its environment is that of a confined child. It is not confined itself, reads nothing but
its requests, and ends with the process that uses it; so do its children.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, Protocol

from builds.confinement.confine import Confinement, entering, environment, start, watch_tree

LINUX = platform.system() == "Linux"
_ROOT = Path(__file__).parents[2]

INHERITED = 3
"""The number that a descriptor has in the child that inherits it."""


class Child(Protocol):
    """A confined process, with the methods of `subprocess.Popen`. `stdin` and `stdout` are text pipes."""

    @property
    def pid(self) -> int: ...

    @property
    def stdin(self) -> IO[str]: ...

    @property
    def stdout(self) -> IO[str]: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


@dataclass
class _Forked:
    """A child of the server."""

    pid: int
    stdin: IO[str]
    stdout: IO[str]
    process: int  # a descriptor: a process id could be another process's by now
    _control: socket.socket
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self.wait(0) if self.returncode is None and self._ended(0) else self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended. Raises subprocess.TimeoutExpired after so many seconds."""
        if self.returncode is None:
            if not self._ended(timeout):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            code = self._control.recv(64)
            self.returncode = int(code) if code else -signal.SIGKILL  # with the server
            self._control.close()
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

    def _ended(self, timeout: float | None) -> bool:
        return bool(select.select([self.process], [], [], timeout)[0])


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


class ForkServer:
    """Starts confined children that run `main()` of one of the `modules`, which is imported once for all of them."""

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
        request = {
            "module": module,
            "confinement": {**asdict(confinement), "reads": [*map(str, confinement.reads)]}
            | {"writes": [*map(str, confinement.writes)]},
            "env": environment(env or {}, *confinement.writes[:1]),
        }
        with self._lock:
            try:
                child = self._fork(request, descriptor)
            except (OSError, EOFError):  # it was killed, perhaps for lack of memory
                self._close()
                child = self._fork(request, descriptor)
        watch_tree(child.pid, confinement, child.process)
        return child

    def close(self) -> None:
        """End the server and all its children."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        server, process, self._socket, self._process = self._socket, self._process, None, None
        if server is not None:
            server.close()
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()

    def _fork(self, request: Mapping[str, object], descriptor: int | None) -> _Forked:
        if self._socket is None or self._owner != os.getpid():
            self._launch()
        assert self._socket is not None  # noqa: S101
        control, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        input_, stdin = os.pipe()
        stdout, output = os.pipe()
        try:
            body = json.dumps(request).encode()
            inherited = [] if descriptor is None else [descriptor]
            given = [input_, output, far.fileno(), *inherited]
            socket.send_fds(self._socket, [len(body).to_bytes(4, "big")], given)
            self._socket.sendall(body)
            far.close()
            answer, descriptors, _flags, _address = socket.recv_fds(control, 64, 1)
            if not answer:
                raise EOFError("The fork server has ended.")
        except BaseException:
            for descriptor in (stdin, stdout):
                os.close(descriptor)
            control.close()
            far.close()
            raise
        finally:
            os.close(input_)
            os.close(output)
        reading, writing = os.fdopen(stdout), os.fdopen(stdin, "w")
        return _Forked(int(answer), writing, reading, descriptors[0], control)

    def _launch(self) -> None:
        near, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(far.fileno()), *self._modules],
                stdin=subprocess.DEVNULL,
                pass_fds=[far.fileno()],
                env=_environment(),
                start_new_session=True,
            )
        self._socket, self._owner = near, os.getpid()


def serve(requests: socket.socket, modules: Sequence[str]) -> None:
    """Fork a child for each request until the other end is closed."""
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        ready, _, _ = select.select([requests.fileno(), *running], [], [])
        for ended in running.keys() & set(ready):
            pid, control = running.pop(ended)
            os.close(ended)
            _pid, status = os.waitpid(pid, 0)
            with control, suppress(OSError):  # nobody may wait for it any more
                control.send(str(os.waitstatus_to_exitcode(status)).encode())
        if requests.fileno() in ready:
            length, descriptors, _flags, _address = socket.recv_fds(requests, 4, 4)
            if not length:
                return
            request = json.loads(_exactly(requests, int.from_bytes(length, "big")))
            main = _main_of(request["module"], modules)
            process, started = _start(request, descriptors, main, requests, running)
            running[process] = started


def _main_of(module: str, modules: Sequence[str]) -> Callable[[], None]:
    if module not in modules:
        raise ValueError(f"{module} is none of the modules that are forked.")
    main: Callable[[], None] = importlib.import_module(module).main
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("A module has started a thread, which its forks would lack.")
    return main


def _start(
    request: dict[str, Any],
    descriptors: Sequence[int],
    main: Callable[[], None],
    requests: socket.socket,
    running: Mapping[int, tuple[int, socket.socket]],
) -> tuple[int, tuple[int, socket.socket]]:
    """Fork the child, report its process, and return what the server keeps of it."""
    input_, output, control, *inherited = descriptors
    pid = os.fork()
    if pid == 0:
        for process, (_, other) in running.items():
            os.close(process)
            other.close()
        requests.close()
        os.close(control)
        _become(request, input_, output, inherited, main)
    process = os.pidfd_open(pid)
    for descriptor in (input_, output, *inherited):
        os.close(descriptor)
    reporting = socket.socket(fileno=control)
    with suppress(OSError):
        socket.send_fds(reporting, [str(pid).encode()], [process])
    return process, (pid, reporting)


def _become(
    request: dict[str, Any],
    input_: int,
    output: int,
    inherited: Sequence[int],
    main: Callable[[], None],
) -> NoReturn:
    """Be the child: confined before anything foreign is read."""
    code = 1
    try:
        os.setsid()
        for source, target in ((input_, 0), (output, 1)):
            os.dup2(source, target)
            os.close(source)
        for descriptor in inherited:
            if descriptor != INHERITED:
                os.dup2(descriptor, INHERITED)
                os.close(descriptor)
        sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
        os.environ.clear()
        os.environ.update(request["env"])
        given = request["confinement"]
        network = given["network"]
        confinement = Confinement(
            reads=tuple(map(Path, given["reads"])),
            writes=tuple(map(Path, given["writes"])),
            network=network if isinstance(network, bool) else tuple(network),
            processes=given["processes"],
            memory=given["memory"],
            file_size=given["file_size"],
            cpu=given["cpu"],
        )
        with entering(confinement) as enter:
            enter()
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


def _exactly(requests: socket.socket, length: int) -> bytes:
    body = b""
    while len(body) < length:
        piece = requests.recv(length - len(body))
        if not piece:
            raise EOFError
        body += piece
    return body


if __name__ == "__main__":
    with suppress(EOFError):
        serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
