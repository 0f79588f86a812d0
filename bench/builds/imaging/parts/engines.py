"""The engines that Dockerfiles are built with: this machine's own, and Debian 13's, unpacked beside it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services.debian import engine as debian_engine
from tests.services.servers.docker_engine import DockerEngine


class Engine(DockerEngine):
    """An engine and the `docker` command that goes with it."""

    label = "this engine"

    def docker(self, *arguments: str) -> str:
        """Run the command, and return what it wrote to its output."""
        done = subprocess.run(
            [self.command(), *arguments], env=self.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"docker {' '.join(arguments)} failed: {done.stderr[-2000:]}")
        return done.stdout

    def command(self) -> str:
        """Return Debian's engine, whose BuildKit is built in, even if another is installed too."""
        return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"

    def environment(self) -> dict[str, str]:
        """Return the variables of the command."""
        return {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1"}

    def forget(self) -> None:
        """Have no image, no layer and no cache any more."""
        self.docker("system", "prune", "-af")
        self.docker("builder", "prune", "-af")

    @property
    def pids(self) -> Sequence[int]:
        """The engine's own process."""
        return [self.process.pid] if self.process else []


class NewEngine(debian_engine.NewEngine, Engine):
    """Debian 13's engine, with its own command; it can pack images with zstd."""

    def __init__(self, folder: Path, undo: Path, unpacked: Path, *, containerd: bool) -> None:
        super().__init__(folder, undo, unpacked, containerd=containerd)
        self.label = "engine 26 containerd" if containerd else "engine 26"
        self.bridge = "none"

    def make_bridge(self) -> None:
        """Make none: its builds use the machine's own network."""

    def command(self) -> str:
        return str(self.unpacked / "usr/bin/docker")

    def environment(self) -> dict[str, str]:
        """Return the variables of the command, which looks for buildx in its own folder of settings."""
        settings = self.folder / "settings"
        plugins = settings / "cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        plugin = plugins / "docker-buildx"
        if not plugin.exists():
            plugin.symlink_to(self.unpacked / debian_engine.PLUGINS / "docker-buildx")
        return {**super().environment(), "DOCKER_CONFIG": str(settings)}
