"""A program in a container of an image, with its lines in the log; nothing of it is left afterwards."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from docker.errors import APIError

from builds.engine.connection import LABEL, Engine
from builds.engine.exchange import EngineRefused, Exchange
from builds.engine.gateway.network import NONE
from builds.engine.output import Output
from builds.imaging.reporting import Reporter

_ADDED, _REMOVED = 1, 2


@dataclass(frozen=True)
class Changes:
    """Changes of a program below a folder: paths added or written to, in order, and paths removed."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    elsewhere: int


@dataclass(frozen=True)
class Bounds:
    """Limits for untrusted programs, beside the studio's memory for builds; 0 for no limit.

    With `scratch` it finds so many bytes at /tmp, and writes nowhere else. `cpus` is how many it keeps busy.
    """

    memory: int = 0
    processes: int = 0
    scratch: int = 0
    cpus: int = 0

    def as_host_config(self) -> dict[str, Any]:
        """Return what the engine calls it."""
        memory = min((size for size in (self.memory, settings.BUILD_MEMORY) if size), default=None)
        config: dict[str, Any] = {"mem_limit": memory, "memswap_limit": memory}
        if self.processes:
            config["pids_limit"] = self.processes
        if self.cpus:
            config["nano_cpus"] = self.cpus * 10**9
        if self.scratch:
            config |= {"read_only": True, "tmpfs": {"/tmp": f"size={self.scratch},mode=1777"}}  # noqa: S108
        return config


@dataclass(frozen=True)
class Container:
    """A container that was created, its program, and the program's output."""

    engine: Engine
    id: str
    output: Output
    program: str = ""

    def put(self, archive: Iterable[bytes], reporter: Reporter) -> None:
        """Unpack an archive at its root."""
        with Exchange(
            self.engine.api,
            "PUT",
            f"/containers/{self.id}/archive",
            params={"path": "/"},
            data=archive,
            content_type="application/x-tar",
        ) as giving:
            for _ in giving.pieces(reporter):
                pass

    def run(self, reporter: Reporter) -> int:
        """Start the program, hand over its lines as they come, and return its exit code."""
        with _answered():
            self.engine.api.start(self.id)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        query = {"follow": "1", "stdout": "1", "stderr": "1"}
        with Exchange(self.engine.api, "GET", f"/containers/{self.id}/logs", params=query) as exchange:
            for piece in exchange.pieces(reporter):
                for line in self.output.text(decoder.decode(piece)):
                    reporter.line(line)
        for line in self.output.end():
            reporter.line(line)
        with Exchange(self.engine.api, "POST", f"/containers/{self.id}/wait") as waiting:
            return max(int(event["StatusCode"]) for event in waiting.events(reporter))

    def archive(self, path: str, reporter: Reporter) -> Iterator[bytes]:
        """Yield a file or folder of it, as a tar archive."""
        address = f"/containers/{self.id}/archive"
        with Exchange(self.engine.api, "GET", address, params={"path": path}) as taking:
            yield from taking.pieces(reporter)

    def changes(self, below: str) -> Changes:
        """Return the program's changes; an added folder represents all its content."""
        changes = self.engine.api.diff(self.id) or []
        inside = {item["Path"]: item["Kind"] for item in changes if item["Path"].startswith(f"{below}/")}
        above = {path.rpartition("/")[0] for path in inside}
        written: list[str] = []
        for path in sorted(path for path, kind in inside.items() if kind != _REMOVED):
            if written and path.startswith(f"{written[-1]}/"):
                continue
            # A folder that was there is listed for what changed in it.
            if inside[path] == _ADDED or path not in above:
                written.append(path)
        removed = tuple(sorted(path for path, kind in inside.items() if kind == _REMOVED))
        others = [
            p for p in (item["Path"] for item in changes) if not (p == below or p.startswith(f"{below}/"))
        ]
        leaves = {path for path in others if not any(o.startswith(f"{path}/") for o in (*others, below))}
        return Changes(tuple(written), removed, len(leaves))


@contextmanager
def _answered() -> Iterator[None]:
    """Tell an engine that says no from one that says nothing."""
    try:
        yield
    except APIError as error:
        raise EngineRefused(error.status_code or 500, str(error.explanation or error)) from error


@contextmanager
def container(
    engine: Engine,
    image: str,
    entrypoint: Sequence[str],
    command: Sequence[str],
    *,
    label: str,
    user: str,
    folder: str = "/",
    variables: Mapping[str, str] | None = None,
    network: str = NONE,
    bounds: Bounds = Bounds(),
) -> Iterator[Container]:
    """Make a container without privileges for a program, and take it away at the end, however that comes.

    `network` is what the engine calls it; see `builds/engine/gateway`.
    """
    output = Output(plain=True)
    limits = engine.api.create_host_config(
        network_mode=network,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        **bounds.as_host_config(),
    )
    with _answered():
        made = engine.api.create_container(
            image,
            entrypoint=list(entrypoint),
            command=list(command),
            user=user,
            working_dir=folder,
            environment=dict(variables or {}),
            labels={LABEL: label},
            tty=True,  # one stream of lines, in the order in which they were written
            host_config=limits,
        )
    output.containers.append(str(made["Id"]))
    try:
        yield Container(engine, str(made["Id"]), output, entrypoint[0])
    finally:
        engine.remove(output)
