"""The Python of a base image, run in a container of it to compile modules: the last of the providers of bytecode.

The container has no network, no privileges, nothing to write to but /tmp, and limits of memory, processes, CPU and
time. Its Python is anybody's program: this process passes on what it sends, and reads nothing of it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from docker.errors import DockerException
from docker.utils.socket import frames_iter
from requests import RequestException

from builds.confinement.forked import readable
from builds.engine.connection import Engine
from builds.engine.exchange import POLL_SECONDS, EngineRefused
from builds.engine.gateway.network import NONE
from builds.engine.running import Bounds, Container, container
from builds.engine.wheels.build_environment import NOBODY
from builds.imaging.bases.model import Base
from builds.imaging.bytecode import compile_worker
from builds.imaging.bytecode.interpreters import FACTS_SCRIPT, read_facts
from builds.imaging.reporting import Cancelled, ImageError, Quiet, Reporter
from builds.imaging.workshop import Workshop

_KIND = "base-interpreters-1"
_SECONDS = 6 * 3600
"""How long a container lives at most: a worker that dies leaves it behind."""

_SPARE_BYTES = 256 * 1024**2
_SCRATCH_BYTES = 16 * 1024**2
_MOST_FACTS = 4096
_PIECE = 1 << 18
_ENDING_SECONDS = 1.0
_FACTS_SECONDS = 30.0

_WORKER = Path(compile_worker.__file__)
_VARIABLES = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONOPTIMIZE": "", "PYTHONDEBUG": ""}


@contextmanager
def compiling_on(base: Base, workshop: Workshop, *, docker_host: str | None = None) -> Iterator[Workshop]:
    """Yield the workshop in which the base's own Python can compile; nothing of it is left afterwards."""
    if not base.probe.python:
        yield replace(workshop, interpreters={})
        return
    python = ContainerPython(base, workshop, docker_host or settings.DOCKER_HOST)
    try:
        yield replace(workshop, base_python=python, interpreters={})
    finally:
        python.close()


class ContainerPython:
    """The Python of a base in a container, which is started when it is first needed."""

    def __init__(self, base: Base, workshop: Workshop, docker_host: str) -> None:
        self._base = base
        self._workshop = workshop
        self._docker_host = docker_host
        self._open = ExitStack()
        self._lock = threading.Lock()
        self._running: Container | None = None
        self._reporter: Reporter = Quiet()
        self._sockets: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []

    @property
    def digest(self) -> str:
        """Return the base's digest."""
        return self._base.digest

    @property
    def minor(self) -> tuple[int, int]:
        """Return its major and minor version."""
        return self._base.probe.minor

    def facts(self, reporter: Reporter) -> Mapping[str, Any] | None:
        """Return its answers about itself, given once for each base; None if it cannot run here."""
        self._reporter = reporter
        known = self._workshop.recall(_KIND, self.digest)
        if known is not None:
            return dict(known) if _engine_answers(self._docker_host) else None
        try:
            with self._lock:
                facts = _facts(self._started(reporter), reporter)
        except Cancelled:
            raise
        except (ImageError, EngineRefused, DockerException, RequestException, OSError, ValueError) as error:
            if getattr(error, "code", "") != "engine-unreachable":
                reporter.line(f"The Python of {self._base.reference} does not run in a container: {error}")
            return None
        self._workshop.remember(_KIND, self.digest, facts)
        return facts

    def connect(self) -> int:
        """Return a descriptor: a socket to a process that compiles with it. Raises ImageError."""
        ours, theirs = socket.socketpair()
        try:
            with self._lock:
                running = self._started(_Unlogged(self._reporter))
                connection = _exec(running, _WORKER.read_text(), "pool", str(self._workshop.jobs))
                self._sockets += [ours, connection]
        except (EngineRefused, DockerException, RequestException, OSError) as error:
            ours.close()
            theirs.close()
            raise ImageError(
                "packing-failed",
                f"The Python of {self._base.reference} no longer runs in a container: {error}",
                "Build again. If it happens again, have that version of Python installed where workers run.",
                fault="studio",
            ) from error
        for pump in (_forward, _return):
            thread = threading.Thread(target=pump, args=(ours, connection), name="compiling", daemon=True)
            thread.start()
            self._pumps.append(thread)
        return theirs.detach()

    def close(self) -> None:
        """Remove the container, which ends all that runs in it."""
        with self._lock:
            self._running = None
            self._open.close()
            for end in self._sockets:
                _end(end)
            for pump in self._pumps:
                pump.join(_ENDING_SECONDS)
            for end in self._sockets:
                end.close()

    def _started(self, reporter: Reporter) -> Container:
        if self._running is not None:
            return self._running
        with ExitStack() as stack:
            engine = stack.enter_context(Engine.at(self._docker_host))
            if str(engine.api.version()["Arch"]) != self._base.probe.architecture:
                raise ValueError(f"it is made for {self._base.probe.architecture}")
            engine.remove_left_over()
            image = engine.give(self._base, self._workshop.store, reporter)
            jobs = self._workshop.jobs
            bounds = Bounds(
                memory=jobs * compile_worker.MEMORY_BYTES + _SPARE_BYTES,
                processes=4 * jobs * (jobs + 2),
                scratch=_SCRATCH_BYTES,
                cpus=jobs,
            )
            running = stack.enter_context(
                container(
                    engine,
                    image,
                    [self._base.probe.python],
                    ["-s", "-S", "-c", f"import time; time.sleep({_SECONDS})"],
                    label=self._base.digest,
                    user=f"{NOBODY}:{NOBODY}",
                    network=NONE,
                    bounds=bounds,
                )
            )
            engine.api.start(running.id)
            self._running = running
            self._open = stack.pop_all()
        return running


class _Unlogged:
    """A reporter for threads beside that of the build: it is cancelled with it, and logs nothing."""

    def __init__(self, reporter: Reporter) -> None:
        self.check = reporter.check

    def line(self, text: str) -> None:
        """Drop the line."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Drop the progress."""


def _engine_answers(docker_host: str) -> bool:
    try:
        with Engine.at(docker_host):
            return True
    except ImageError:
        return False


def _exec(running: Container, script: str, *arguments: str) -> socket.socket:
    """Start a script with the container's Python; return the connection to its input and output."""
    api = running.engine.api
    command = [running.program, "-s", "-S", "-X", "utf8", "-c", script, *arguments]
    made = api.exec_create(running.id, command, stdin=True, stderr=False, environment=_VARIABLES)
    answer = api.exec_start(made["Id"], socket=True)
    try:
        # A descriptor of our own: the client closes its when it forgets the answer.
        connection = socket.socket(fileno=os.dup(cast(socket.SocketIO, answer).fileno()))
    finally:
        answer.close()
    connection.setblocking(True)  # the client's has a timeout, and so does not block
    return connection


def _facts(running: Container, reporter: Reporter) -> dict[str, Any]:
    """Return the Python's answers about itself: a few bytes, in a few seconds."""
    ours, theirs = socket.socketpair()
    with ours, theirs, _exec(running, FACTS_SCRIPT) as connection:
        threading.Thread(target=_return, args=(theirs, connection), name="compiling", daemon=True).start()
        body = b""
        until = time.monotonic() + _FACTS_SECONDS
        while len(body) <= _MOST_FACTS and time.monotonic() < until:
            reporter.check()
            if readable([ours.fileno()], POLL_SECONDS):
                piece = ours.recv(_MOST_FACTS)
                if not piece:
                    break
                body += piece
        _end(connection)
    facts = read_facts(body)
    if facts is None:
        raise ValueError("it does not answer as CPython does")
    return asdict(facts)


def _forward(ours: socket.socket, connection: socket.socket) -> None:
    """Pass on what the build sends, until it ends."""
    try:
        while piece := ours.recv(_PIECE):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
    except OSError:  # the container has ended: nobody is to wait for its answer
        _end(ours)


def _return(ours: socket.socket, connection: socket.socket) -> None:
    """Pass on what the container's Python sends, without a look at it, until it ends."""
    with suppress(OSError):  # one of the two has ended
        for _stream, piece in frames_iter(connection, tty=False):  # type: ignore[no-untyped-call]
            ours.sendall(piece)
    _end(ours)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)
