"""The network of code in containers: none but a port that leads to the worker's proxy.

A gateway is a container without network that listens on its own loopback. Containers that run code join it (Docker's
`container:` network), so they see that loopback and nothing else. What connects to its port is carried through the
engine's own connection (`builds/proxy/relay.py`) to a proxy in the worker. So it holds for an engine on another
machine too, needs no firewall, and nothing in these containers is secret.
"""

from __future__ import annotations

import asyncio
import platform
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from docker.errors import APIError

from builds.engine.connection import LABEL, Engine
from builds.engine.output import Output
from builds.imaging.bases import host
from builds.imaging.egress import WayOut
from builds.imaging.reporting import ImageError, Reporter
from builds.imaging.workshop import Workshop
from builds.proxy import relay
from builds.proxy.forward import ForwardProxy
from builds.proxy.limits import Limits

PROXY = "proxy"
"""The value of STUDIO_BUILD_NETWORK by which code reaches the worker's proxy only."""

PORT = 3128
_URL = f"http://127.0.0.1:{PORT}"
_VARIABLES = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _URL)
_VARIABLES |= {"no_proxy": "", "NO_PROXY": ""}  # over what the operator's environment has
_NOBODY = "65534:65534"
_MEMORY = 256 << 20
_PROCESSES = 8
_OUTPUT, _ERRORS = 1, 2
_POLL_SECONDS = 0.1
# Code may download data and models for as long as its build may take, which has a limit of its own.
_LIMITS = Limits(bytes=256 << 30, seconds=7 * 86400.0, connection_seconds=86400.0, idle_seconds=300.0)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Network:
    """A container's network as the engine names it, its environment, and the reporter for all that runs in it.

    The reporter ends the build at the first address that is refused.
    """

    mode: str
    reporter: Reporter
    variables: Mapping[str, str] = field(default_factory=dict)


def unconfined(engine: Engine) -> str:
    """Return why code in this engine's containers is not confined to the proxy, as a sentence; empty if it is."""
    if settings.BUILD_NETWORK != PROXY:
        return f"STUDIO_BUILD_NETWORK gives it the Docker network “{settings.BUILD_NETWORK}”."
    ours = _ARCHITECTURES.get(platform.machine(), platform.machine())
    theirs = str(engine.api.version()["Arch"])
    if sys.platform != "linux" or ours != theirs:
        return f"The gateway is made of this machine's Python ({sys.platform}, {ours}); the engine runs on {theirs}."
    return ""


@contextmanager
def network_of(
    engine: Engine,
    workshop: Workshop,
    reporter: Reporter,
    *,
    urls: Iterable[str] = (),
    buildkit: bool = False,
) -> Iterator[Network]:
    """Give the network for the code of one build; leaving it ends its connections. Raises ImageError.

    `urls` are the indexes of the definition, which may be on this machine's loopback if the policy allows it.
    """
    if settings.BUILD_NETWORK != PROXY:
        yield Network(settings.BUILD_NETWORK, reporter)
    elif buildkit:
        yield _of_buildkit(reporter)
    elif reason := unconfined(engine):
        yield _unconfined(reason, reporter)
    else:
        with _gateway(engine, workshop, reporter, urls) as network:
            yield network


def _of_buildkit(reporter: Reporter) -> Network:
    """Return the network of RUN in BuildKit, which joins no container: the engine's own, or none."""
    if settings.REQUIRE_CONFINEMENT:
        reporter.line("RUN has no network here: this Dockerfile needs BuildKit, which cannot be confined.")
        return Network("none", reporter)
    reporter.line(
        "RUN is not confined here: this Dockerfile needs BuildKit, whose network the studio cannot choose."
    )
    return Network("default", reporter)


def _unconfined(reason: str, reporter: Reporter) -> Network:
    if settings.REQUIRE_CONFINEMENT:
        raise ImageError(
            "cannot-confine",
            f"This worker cannot confine the network of code in containers. {reason}",
            "Run a worker on the engine's kind of machine, or set STUDIO_BUILD_NETWORK to a Docker network.",
            fault="studio",
        )
    reporter.line(f"The network of code in containers is not confined here. {reason}")
    return Network("default", reporter)


@contextmanager
def _gateway(
    engine: Engine, workshop: Workshop, reporter: Reporter, urls: Iterable[str]
) -> Iterator[Network]:
    image = engine.give(host.host_base(workshop, reporter), workshop.store, reporter)
    # What the user of a machine may reach on its loopback is not for the code of packages.
    with (
        ForwardProxy(workshop.reach.without_loopback(urls), _LIMITS) as proxy,
        _started(engine, image, proxy.port, reporter) as identifier,
    ):
        way_out = WayOut(proxy, reporter)
        try:
            yield Network(f"container:{identifier}", way_out, _VARIABLES)
        except Exception:
            way_out.check()  # a refused address is the better reason
            raise
        way_out.check()


@contextmanager
def _started(engine: Engine, image: str, port: int, reporter: Reporter) -> Iterator[str]:
    """Run the gateway's container with its connections carried to a port here, and take it away at the end."""
    output = Output()
    try:
        with _answered():
            identifier = _created(engine, image)
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


def _created(engine: Engine, image: str) -> str:
    limits = engine.api.create_host_config(
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        read_only=True,
        mem_limit=_MEMORY,
        memswap_limit=_MEMORY,
        pids_limit=_PROCESSES,
        log_config={"Type": "none"},  # its output is what others download
        auto_remove=True,  # and its input ends with the worker, so that nothing stays behind
    )
    made = engine.api.create_container(
        image,
        entrypoint=["python3", "-I", "-c", Path(relay.__file__).read_text(), str(PORT)],
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
        end = relay.Relay(writer, self._port, self._ready.set)
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
