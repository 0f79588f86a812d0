"""A containerd of the test run's own, as Kubernetes nodes have it without an engine: data and socket are private to it."""

from __future__ import annotations

import subprocess

from tests.services.parts import program
from tests.services.processes import Process
from tests.services.servers.service import Service

# `cri` would set up networks, and no client of a registry needs it.
CONFIG = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/c.sock"
"""


class Containerd(Service):
    """`ctr` is the command for it, with its address."""

    @property
    def ctr(self) -> list[str]:
        return [str(program("ctr")), "--address", str(self.folder / "c.sock")]

    def launch(self) -> Process:
        config = self.folder / "config.toml"
        config.write_text(CONFIG.format(folder=self.folder))
        return Process([program("containerd"), "--config", config], output=self.log)

    def answers(self) -> bool:
        if not (self.folder / "c.sock").exists():
            return False
        return subprocess.run([*self.ctr, "version"], capture_output=True, check=False).returncode == 0
