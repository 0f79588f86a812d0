"""A Docker Engine of the test run's own: data, socket, bridge and firewall rules are private to it."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import docker
from docker.errors import DockerException

from tests.services.parts import program
from tests.services.processes import Process
from tests.services.servers.service import Service


class DockerEngine(Service):
    """`host` is what DOCKER_HOST takes, `client` a `docker.DockerClient` on it.

    Registries on 127.0.0.0/8 may be plain HTTP, as with every Docker Engine. Containers reach the outside.
    """

    start_seconds = 60.0

    def __init__(self, folder: Path, undo: Path) -> None:
        super().__init__(folder)
        self.undo = undo
        self.socket = folder / "d.sock"
        self.host = f"unix://{self.socket}"
        self.network = free_network()
        self.bridge = f"studio{os.getpid()}"
        self._client: docker.DockerClient | None = None

    @property
    def client(self) -> docker.DockerClient:
        if self._client is None:
            self._client = docker.DockerClient(base_url=self.host)
        return self._client

    def containers(self, *, ended: bool = True) -> list[str]:
        """Return the ids of its containers, with or without those that have ended.

        The client's own list requests each by its id: it fails if a container is removed meanwhile.
        """
        return [row["Id"] for row in self.client.api.containers(all=ended)]

    def launch(self) -> Process:
        self.make_bridge()
        # After a kill they name processes that are dead, or whose numbers others have by now.
        for left in (self.folder / "d.pid", self.folder / "exec" / "containerd" / "containerd.pid"):
            left.unlink(missing_ok=True)
        config = self.folder / "daemon.json"
        config.write_text(json.dumps(self.daemon_settings()))
        argv: list[str | Path] = [self.daemon(), "--config-file", config]
        argv += ["--data-root", self.folder / "data", "--exec-root", self.folder / "exec"]
        argv += ["-H", self.host, "--pidfile", self.folder / "d.pid", "--bridge", self.bridge]
        # Another engine may live on this machine: starting with firewall rules would flush its chains.
        argv += ["--iptables=false", "--ip6tables=false", "--ip-masq=false"]
        return Process(argv, output=self.log, env=self.daemon_variables())

    def daemon(self) -> Path:
        """Return the engine's program."""
        return program("dockerd")

    def daemon_settings(self) -> Mapping[str, object]:
        """Return what its configuration holds, so that the machine's own does not count."""
        return {}

    def daemon_variables(self) -> Mapping[str, str] | None:
        """Return its environment; None for this process's."""
        return None

    def make_bridge(self) -> None:
        """Make the bridge and let its containers out; the reaper undoes each step at the end of the run."""
        if Path("/sys/class/net", self.bridge).exists():
            return
        ip, iptables = str(program("ip")), [str(program("iptables")), "--wait"]
        gateway = f"{self.network[1]}/{self.network.prefixlen}"
        self.run([ip, "link", "add", self.bridge, "type", "bridge"], undo=[ip, "link", "del", self.bridge])
        self.run([ip, "address", "add", gateway, "dev", self.bridge])
        self.run([ip, "link", "set", self.bridge, "up"])
        outward = ["POSTROUTING", "-s", str(self.network), "!", "-o", self.bridge, "-j", "MASQUERADE"]
        self.run([*iptables, "-t", "nat", "-I", *outward], undo=[*iptables, "-t", "nat", "-D", *outward])
        for direction in ("-i", "-o"):
            rule = ["FORWARD", direction, self.bridge, "-j", "ACCEPT"]
            self.run([*iptables, "-I", *rule], undo=[*iptables, "-D", *rule])

    def run(self, argv: Sequence[str], undo: Sequence[str] = ()) -> None:
        if undo:
            with self.undo.open("a") as file:
                file.write(json.dumps(list(undo)) + "\n")
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)} failed with {done.returncode}: {done.stderr.strip()}")

    def answers(self) -> bool:
        try:
            return self.socket.exists() and bool(self.client.ping())
        except (DockerException, OSError):
            self._client = None
            return False


def free_network() -> ipaddress.IPv4Network:
    """Return a private network of 254 addresses that this machine has no route to.

    Test processes that run side by side begin their search at different places.
    """
    taken = set()
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        _interface, destination, _gateway, _flags, _count, _use, _metric, mask = line.split()[:8]
        if int(mask, 16):
            taken.add(ipaddress.IPv4Network(f"{swapped(destination)}/{swapped(mask)}", strict=False))
    networks = deque(ipaddress.IPv4Network("10.213.0.0/16").subnets(new_prefix=24))
    networks.rotate(-os.getpid())
    for network in networks:
        if not any(network.overlaps(other) for other in taken):
            return network
    raise RuntimeError("all networks in 10.213.0.0/16 are taken: no room for the containers of the tests")


def swapped(hexadecimal: str) -> ipaddress.IPv4Address:
    """Return the address that /proc/net/route writes with its bytes in the machine's order."""
    return ipaddress.IPv4Address(bytes.fromhex(hexadecimal)[::-1])
