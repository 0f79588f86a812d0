"""Debian 13's Docker Engine, unpacked beside this system's: it can keep its images in containerd's store."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.services.debian.packages import Unavailable, unpack
from tests.services.parts import program
from tests.services.servers.docker_engine import DockerEngine

SUITE = "trixie"  # Debian 13
PACKAGES = ["docker.io", "docker-cli", "docker-buildx", "containerd", "runc"]
PLUGINS = "usr/libexec/docker/cli-plugins"


class NewEngine(DockerEngine):
    """Debian 13's engine, out of a folder; with `containerd`, that keeps the images, compressed as they came.

    Docker Engine 29 keeps them so by default.
    """

    def __init__(self, folder: Path, undo: Path, unpacked: Path, *, containerd: bool) -> None:
        super().__init__(folder, undo)
        self.unpacked = unpacked
        self.containerd = containerd

    def daemon(self) -> Path:
        return self.unpacked / "usr/sbin/dockerd"

    def daemon_settings(self) -> Mapping[str, object]:
        return {"features": {"containerd-snapshotter": self.containerd}}

    def daemon_variables(self) -> Mapping[str, str]:
        """Return a path with their programs first, but this machine's runc where theirs does not start."""
        folder = self.folder / "programs"
        folder.mkdir(exist_ok=True)
        for name, path in (
            *((p.name, p) for p in self.unpacked.glob("usr/bin/*")),
            *((p.name, p) for p in self.unpacked.glob("usr/sbin/*")),
        ):
            link = folder / name
            if not link.exists() and starts(path):
                link.symlink_to(path)
        if not (folder / "runc").exists():
            (folder / "runc").symlink_to(program("runc"))
        return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}:/usr/sbin:/sbin"}


def new_engine(cache: Path) -> Path:
    """Return the folder with Debian 13's engine, fetched now or before. Raises `Unavailable` where it cannot be had."""
    unpacked = cache / "debian-13"
    if (unpacked / "usr/sbin/dockerd").exists() and (unpacked / PLUGINS / "docker-buildx").exists():
        return _started(unpacked)
    if platform.machine() not in ("x86_64", "aarch64"):
        raise Unavailable(f"no packages are looked for on {platform.machine()}")
    unpack(PACKAGES, unpacked, cache / "apt", SUITE)
    return _started(unpacked)


def _started(unpacked: Path) -> Path:
    for path in ("usr/sbin/dockerd", "usr/bin/containerd", "usr/bin/docker"):
        if not starts(unpacked / path):
            raise Unavailable(f"its {Path(path).name} does not start on this system")
    return unpacked


def starts(path: Path) -> bool:
    """Return whether a program starts on this system: one of another release may need a newer C library."""
    flag = "-v" if path.name.startswith("containerd-shim") else "--version"
    try:
        done = subprocess.run([path, flag], capture_output=True, check=False, timeout=30)
    except OSError:
        return False
    return done.returncode == 0
