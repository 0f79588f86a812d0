"""Run a gateway, and carry what connects to it to a port of this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from docker.errors import APIError
from docker.types import LogConfig

from builds.engine.connection import LABEL, Engine
from builds.engine.gateway.image import ARGV, gateway_image
from builds.engine.output import Output
from builds.imaging.reporting import ImageError, Reporter
from builds.proxy.relay import Relay

PORT = 3128
_NOBODY = "65534:65534"
_MEMORY = 256 << 20
_PROCESSES = 8
_OUTPUT, _ERRORS = 1, 2
_POLL_SECONDS = 0.1


@contextmanager
def gateway(engine: Engine, port: int, reporter: Reporter) -> Iterator[str]:
    """Run a gateway whose connections lead to a port of this machine; give its container's id. Raises ImageError."""
    output = Output()
    try:
        with _answered():
            identifier = _created(engine, reporter)
            output.containers.append(identifier)
            # Attached before it starts: nothing that it sends is lost.
            near_end = _NearEnd(_attached(engine, identifier), port)
        with near_end:
            with _answered():
                engine.api.start(identifier)
            near_end.wait(reporter)
            yield identifier
    finally:
        engine.remove(output)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise _failed(str(error.explanation or error)) from error


def _created(engine: Engine, reporter: Reporter) -> str:
    limits = engine.api.create_host_config(
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        mem_limit=_MEMORY,
        memswap_limit=_MEMORY,
        pids_limit=_PROCESSES,
        log_config=LogConfig(type="none"),  # its output is what others download
        auto_remove=True,  # and its input ends with the worker, so that nothing stays behind
    )
    made = engine.api.create_container(
        gateway_image(engine, reporter),
        entrypoint=[*ARGV, str(PORT)],
        user=_NOBODY,
        labels={LABEL: "gateway"},
        stdin_open=True,
        host_config=limits,
    )
    return str(made["Id"])


def _attached(engine: Engine, identifier: str) -> socket.socket:
    """Return a socket that is the container's input, output and errors."""
    wire: Any = engine.api.attach_socket(
        identifier, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    )
    own: socket.socket = wire._sock.dup()
    wire.close()
    return own


class _NearEnd:
    """The worker's end of a gateway's relay, in a thread of its own."""

    def __init__(self, wire: socket.socket, port: int) -> None:
        self._wire = wire
        self._port = port
        self._ready = threading.Event()
        self._errors = b""
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def __enter__(self) -> _NearEnd:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the engine hung up
            self._wire.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def wait(self, reporter: Reporter) -> None:
        """Return when the gateway listens. Raises ImageError if it does not come to that, and Cancelled."""
        while not self._ready.wait(_POLL_SECONDS):
            reporter.check()
            if not self._thread.is_alive():
                raise _failed(self._errors.decode(errors="replace").strip()[-500:] or "it ended")

    def _run(self) -> None:
        with suppress(OSError):
            asyncio.run(self._carry())

    async def _carry(self) -> None:
        source, writer = await asyncio.open_connection(sock=self._wire)
        output = asyncio.StreamReader()
        end = Relay(writer, self._port, self._ready.set)
        await asyncio.gather(end.run(output), self._unwrap(source, output))

    async def _unwrap(self, source: asyncio.StreamReader, output: asyncio.StreamReader) -> None:
        """Take the container's output out of the frames in which the engine sends it."""
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await source.readexactly(8)
                data = await source.readexactly(int.from_bytes(head[4:]))
                if head[0] == _OUTPUT:
                    output.feed_data(data)
                elif head[0] == _ERRORS:
                    self._errors = (self._errors + data)[-4096:]
        output.feed_eof()


def _failed(why: str) -> ImageError:
    return ImageError(
        "engine-failed",
        f"The gateway, through which code in containers connects, cannot be started: {why[:500]}",
        "If the Docker Engine cannot run it, set STUDIO_BUILD_NETWORK to a Docker network that is confined otherwise.",
        fault="studio",
    )
