"""The base class of services: start, stop, kill, and an outage that always ends."""

from __future__ import annotations

import pwd
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.processes import NotReadyError, Process

# For httpx clients of plain HTTP: to read this machine's certificates takes each of them 25 ms of CPU.
TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Service(ABC):
    """A server on a port of 127.0.0.1, with its data in a folder of its own.

    Address and data stay the same when it is stopped and started again.
    """

    start_seconds = 30.0
    stop_seconds = 15.0
    shared = False  # with the other processes of the run: it runs, and nobody may stop it

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.txt"
        self.process: Process | None = None
        folder.mkdir(mode=0o755)

    @abstractmethod
    def launch(self) -> Process:
        """Start the server's process on the data folder."""

    @abstractmethod
    def answers(self) -> bool:
        """Say whether it really answers a client."""

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the process: only who started it has it."""
        return {**self.__dict__, "process": None}

    def start(self) -> None:
        """Start it and return when it answers; nothing happens if it is running."""
        self.refuse_if_shared()
        if self.process is not None and self.process.running:
            return
        self.process = self.launch()
        try:
            self.process.wait_until(self.answers, self.start_seconds)
        except NotReadyError:
            self.kill()
            raise

    def stop(self) -> None:
        """End it as its operator would."""
        self.refuse_if_shared()
        if self.process is not None:
            self.process.stop(self.stop_seconds)
            self.process = None

    def kill(self) -> None:
        """End it and its children with -9, as a crash would."""
        self.refuse_if_shared()
        if self.process is not None:
            self.process.kill_family()
            self.process = None

    def refuse_if_shared(self) -> None:
        if self.shared:
            name = type(self).__name__
            raise RuntimeError(
                f"Other tests use this {name} too: take the fixture of a {name} that may be stopped."
            )

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextmanager
    def outage(self, *, crash: bool = False) -> Iterator[None]:
        """Take it away for the length of a block: stopped, or killed with -9."""
        self.kill() if crash else self.stop()
        try:
            yield
        finally:
            self.start()


def account(name: str) -> pwd.struct_passwd | None:
    """Return the system account of that name, if this machine has one."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
