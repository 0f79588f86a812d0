"""The fork server's process: `python -m builds.confinement.forking DESCRIPTOR MODULE...`.

Requests come through the socket with that descriptor: the length of a JSON object as four bytes, with the descriptors
that the child gets, and the object. The first descriptor is a socket on which the child is reported: as a JSON object
when it has started, with its descriptor, and by its exit code when it has ended.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from builds.confinement.confine import Confinement, entering

INHERITED = 3
"""The number that a descriptor has in the child that inherits it."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A child. `wait` returns its exit code once it has ended."""

    pid: int
    control: socket.socket
    wait: Callable[[], int]


class _Server:
    def __init__(self, requests: socket.socket, modules: Sequence[str]) -> None:
        self._requests = requests
        self._modules = modules
        self._running: dict[int, _Running] = {}  # by the descriptor of the process

    def serve(self) -> None:
        """Start a child for each request until the other end is closed."""
        waiting = select.poll()
        waiting.register(self._requests, select.POLLIN)
        while True:
            for ready, _ in waiting.poll():
                if ready in self._running:
                    waiting.unregister(ready)
                    self._report_end(ready)
                elif (process := self._answer()) is not None:
                    waiting.register(process, select.POLLIN)

    def end(self) -> None:
        """End all children, and what they have started."""
        for child in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

    def _report_end(self, process: int) -> None:
        child = self._running.pop(process)
        os.close(process)
        with child.control, suppress(OSError):  # nobody may wait for it any more
            child.control.send(str(child.wait()).encode())

    def _answer(self) -> int | None:
        """Start what the next request describes, and return the descriptor of its process if there is one."""
        length, descriptors, _flags, _address = socket.recv_fds(self._requests, 4, 5)
        if not length:
            raise EOFError
        request = json.loads(_exactly(self._requests, int.from_bytes(length, "big")))
        control, *given = descriptors
        reporting = socket.socket(fileno=control)
        try:
            if "module" in request:
                pid, wait = self._fork(request, given, control)
            else:
                pid, wait = _run(request, given)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            _refuse(reporting, error)
            return None
        finally:
            for descriptor in given:
                os.close(descriptor)
        process = os.pidfd_open(pid)
        self._running[process] = _Running(pid, reporting, wait)
        with suppress(OSError):
            socket.send_fds(reporting, [json.dumps({"pid": pid}).encode()], [process])
        return process

    def _fork(
        self, request: dict[str, Any], given: Sequence[int], control: int
    ) -> tuple[int, Callable[[], int]]:
        main = self._main_of(request["module"])
        pid = os.fork()
        if pid == 0:
            for process, child in self._running.items():
                os.close(process)
                child.control.close()
            self._requests.close()
            os.close(control)
            _become(request, given, main)
        return pid, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _main_of(self, module: str) -> Callable[[], None]:
        if module not in self._modules:
            raise ValueError(f"{module} is none of the modules that are forked.")
        main: Callable[[], None] = importlib.import_module(module).main
        if len(os.listdir("/proc/self/task")) > 1:
            raise RuntimeError("A module has started a thread, which its forks would lack.")
        return main


def _run(request: dict[str, Any], given: Sequence[int]) -> tuple[int, Callable[[], int]]:
    """Start a command that has no input."""
    output, errors = given
    with entering(_confinement(request), request["env"]) as enter:
        child = subprocess.Popen(
            request["argv"],
            cwd=request["folder"],
            env=request["env"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
            preexec_fn=enter,
        )
    return child.pid, child.wait


def _refuse(reporting: socket.socket, error: Exception) -> None:
    number, text = (error.errno, error.strerror) if isinstance(error, OSError) else (None, str(error))
    with reporting, suppress(OSError):
        reporting.send(json.dumps({"errno": number, "text": text}).encode())


def _become(request: dict[str, Any], given: Sequence[int], main: Callable[[], None]) -> NoReturn:
    """Be the child: confined before anything foreign is read."""
    input_, output, *inherited = given
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
        with entering(_confinement(request)) as enter:
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


def _confinement(request: dict[str, Any]) -> Confinement | None:
    given = request["confinement"]
    if given is None:
        return None
    network = given["network"]
    paths = {kind: tuple(map(Path, given[kind])) for kind in ("reads", "writes")}
    ports = {"network": network if isinstance(network, bool) else tuple(network)}
    return Confinement(**given | paths | ports)


def _exactly(requests: socket.socket, length: int) -> bytes:
    body = b""
    while len(body) < length:
        piece = requests.recv(length - len(body))
        if not piece:
            raise EOFError
        body += piece
    return body


def main() -> None:
    """Serve the descriptor and the modules of the command line until the process that uses them ends."""
    server = _Server(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    try:
        with suppress(EOFError):
            server.serve()
    finally:
        server.end()


if __name__ == "__main__":
    main()
