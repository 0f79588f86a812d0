"""The engines that Dockerfiles are built with: this machine's own, and Debian 13's, unpacked beside it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services.debian.packages import Unavailable, unpack
from tests.services.parts import program
from tests.services.processes import Process
from tests.services.servers.docker_engine import DockerEngine

SUITE = "trixie"  # Debian 13
PACKAGES = ["docker.io", "docker-cli", "docker-buildx", "containerd", "runc"]
PLUGINS = "usr/libexec/docker/cli-plugins"


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


class NewEngine(Engine):
    """Debian 13's engine, out of a folder; with `containerd`, that keeps the images, compressed as they came."""

    def __init__(self, folder: Path, undo: Path, unpacked: Path, *, containerd: bool) -> None:
        super().__init__(folder, undo)
        self.unpacked = unpacked
        self.containerd = containerd
        self.label = "engine 26 containerd" if containerd else "engine 26"

    def launch(self) -> Process:
        config = self.folder / "daemon.json"
        config.write_text(json.dumps({"features": {"containerd-snapshotter": self.containerd}}))
        argv: list[str | Path] = [self.unpacked / "usr/sbin/dockerd", "--config-file", config]
        argv += ["--data-root", self.folder / "data", "--exec-root", self.folder / "exec"]
        # Its builds use the machine's own network.
        argv += ["-H", self.host, "--pidfile", self.folder / "d.pid", "--bridge", "none"]
        argv += ["--iptables=false", "--ip6tables=false", "--ip-masq=false"]
        return Process(argv, output=self.log, env={**os.environ, "PATH": self._path()})

    def command(self) -> str:
        return str(self.unpacked / "usr/bin/docker")

    def environment(self) -> dict[str, str]:
        """Return the variables of the command, which looks for buildx in its own folder of settings."""
        settings = self.folder / "settings"
        plugins = settings / "cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        plugin = plugins / "docker-buildx"
        if not plugin.exists():
            plugin.symlink_to(self.unpacked / PLUGINS / "docker-buildx")
        return {**super().environment(), "DOCKER_CONFIG": str(settings)}

    def _path(self) -> str:
        """Return a path with their programs first, but this machine's runc where theirs does not start."""
        folder = self.folder / "programs"
        folder.mkdir(exist_ok=True)
        for name, path in (
            *((p.name, p) for p in self.unpacked.glob("usr/bin/*")),
            *((p.name, p) for p in self.unpacked.glob("usr/sbin/*")),
        ):
            link = folder / name
            if not link.exists() and _starts(path):
                link.symlink_to(path)
        if not (folder / "runc").exists():
            (folder / "runc").symlink_to(program("runc"))
        return f"{folder}:{os.environ['PATH']}:/usr/sbin:/sbin"


def new_engine(cache: Path) -> Path:
    """Return the folder with Debian 13's engine, fetched now or before; tell why it cannot be had here."""
    unpacked = cache / "debian-13"
    if (unpacked / "usr/sbin/dockerd").exists() and (unpacked / PLUGINS / "docker-buildx").exists():
        return _started(unpacked)
    if platform.machine() not in ("x86_64", "aarch64"):
        raise Unavailable(f"no packages are looked for on {platform.machine()}")
    unpack(PACKAGES, unpacked, cache / "apt", SUITE)
    return _started(unpacked)


def _started(unpacked: Path) -> Path:
    for path in ("usr/sbin/dockerd", "usr/bin/containerd", "usr/bin/docker"):
        if not _starts(unpacked / path):
            raise Unavailable(f"its {Path(path).name} does not start on this system")
    return unpacked


def _starts(path: Path) -> bool:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, check=False, timeout=30)
    except OSError:
        return False
    return done.returncode == 0
