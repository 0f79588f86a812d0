"""RabbitMQ on free ports of 127.0.0.1, with a node name and a port mapper (epmd) of its own."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any

import amqp

from tests.services.parts import RABBITMQ_SERVER, program
from tests.services.processes import Process, free_port, wait_until
from tests.services.servers.service import Service, account

# To make one later takes a second of a second Erlang machine.
VIRTUAL_HOSTS = [f"tests-{number}" for number in range(8)]


def definitions(virtual_hosts: list[str]) -> dict[str, Any]:
    """Return what a server with these virtual hosts loads at its start."""
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [{"name": "guest", "password": "guest", "tags": ["administrator"]}],
        "vhosts": [{"name": name} for name in virtual_hosts],
        "permissions": [{"user": "guest", "vhost": name, **everything} for name in virtual_hosts],
    }


class RabbitMQ(Service):
    """`url` is what CELERY_BROKER_URL takes; `fresh_url()` is that of an empty virtual host."""

    start_seconds = 90.0  # its Erlang machine takes its time on a busy computer
    stop_seconds = 30.0

    def __init__(self, folder: Path, virtual_hosts: list[str] = VIRTUAL_HOSTS) -> None:
        super().__init__(folder)
        self.port, self.distribution_port, self.epmd_port = free_port(), free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = self.url_of("/")
        self.epmd: Process | None = None
        owner = account("rabbitmq") if os.geteuid() == 0 else None
        self.user = owner.pw_uid if owner else None
        self.group = owner.pw_gid if owner else None
        for name in ("mnesia", "logs"):
            (folder / name).mkdir()
        loaded = folder / "definitions.json"
        loaded.write_text(json.dumps(definitions(["/", *virtual_hosts])))
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {self.address}\nlog.console.level = info\nload_definitions = {loaded}\n"
        )
        (folder / "enabled_plugins").write_text("[].\n")
        if owner:
            for path in (folder, *folder.iterdir()):
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def url_of(self, virtual_host: str) -> str:
        return f"amqp://guest:guest@{self.address}/{virtual_host}"

    def fresh_url(self) -> str:
        """Return the URL of an empty virtual host that no other test has been given."""
        with (self.folder / "given-out").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            given = file.read()
            file.write(".")
        return self.url_of(VIRTUAL_HOSTS[len(given)])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "epmd": None}

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),  # where its cookie is
            "RABBITMQ_NODENAME": f"studio{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_LOGS": "-",
            # Schedulers for further cores cost a quarter of the CPU of a start.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        }

    def launch(self) -> Process:
        # Else the server would start an epmd that outlives it.
        self.epmd = self.run(
            [program("epmd"), "-port", str(self.epmd_port), "-address", "127.0.0.1"], "epmd.txt"
        )
        self.epmd.wait_until(lambda: can_connect(self.epmd_port))
        return self.run([program(RABBITMQ_SERVER)], self.log.name)

    def run(self, argv: list[str | Path], output: str) -> Process:
        return Process(
            argv,
            output=self.folder / output,
            env=self.environment(),
            cwd=self.folder,
            user=self.user,
            group=self.group,
        )

    def stop(self) -> None:
        super().stop()
        self.stop_epmd()

    def kill(self) -> None:
        super().kill()
        self.stop_epmd()

    def stop_epmd(self) -> None:
        if self.epmd is not None:
            self.epmd.kill_family()
            wait_until(lambda: not can_connect(self.epmd_port), 5, "epmd still listens after it was killed")
            self.epmd = None

    def answers(self) -> bool:
        try:
            with amqp.Connection(
                self.address, userid="guest", password="guest", connect_timeout=2
            ) as connection:
                return bool(connection.connected)
        except (OSError, amqp.AMQPError):
            return False


def can_connect(port: int) -> bool:
    """Say whether somebody listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
