"""The real parts that tests run on: which programs each needs, and from which Debian packages they come."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

# Debian keeps servers out of an ordinary user's PATH, and PostgreSQL's programs in a folder for each version.
SERVER_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
POSTGRES_FOLDERS = Path("/usr/lib/postgresql")
# The program on PATH is Debian's wrapper: it writes to /var and changes the user.
RABBITMQ_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


@dataclass(frozen=True)
class Part:
    """One real part: its name in sentences, the programs and files it needs, the Debian packages that bring them."""

    name: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    needs_root: bool = False
    files: tuple[Path, ...] = ()

    def missing(self) -> str:
        """Return why the part cannot be started here, as a sentence; empty if it can."""
        if sys.platform != "linux":
            return f"{self.name} is started by the tests on Linux only."
        absent = [program for program in self.programs if find_program(program) is None]
        absent += [str(file) for file in self.files if not file.is_file()]
        if absent:
            return (
                f"{self.name} is missing ({', '.join(absent)} not found): "
                f"install it with `apt-get install {' '.join(self.packages)}`."
            )
        if self.needs_root and os.geteuid() != 0:
            return f"{self.name} can only be started by root."
        return ""


def debian_release(file: Path = Path("/etc/debian_version")) -> int:
    """Return the number of this machine's Debian release; 0 if it is no Debian, 99 for one without a number yet."""
    if not file.exists():
        return 0
    number = file.read_text().strip().partition(".")[0]
    return int(number) if number.isdigit() else 99


# From Debian 13 on, the command is no part of the engine's package.
DOCKER_PACKAGE = "docker-cli" if debian_release() >= 13 else "docker.io"

POSTGRES = Part("PostgreSQL", ("initdb", "postgres"), ("postgresql",))
REDIS = Part("Redis", ("redis-server",), ("redis-server",))
RABBITMQ = Part("RabbitMQ", (RABBITMQ_SERVER, "epmd"), ("rabbitmq-server",))
DOCKER = Part(
    "Docker Engine",
    ("dockerd", "containerd", "runc", "iptables", "ip"),
    ("docker.io", "iptables", "iproute2"),
    needs_root=True,
)
REGISTRY = Part("docker-registry", ("docker-registry",), ("docker-registry",))
SKOPEO = Part("skopeo", ("skopeo",), ("skopeo",))
PODMAN = Part("podman", ("podman",), ("podman",), needs_root=True)
CONTAINERD = Part("containerd", ("containerd", "ctr"), ("containerd",), needs_root=True)
DOCKER_COMMAND = Part("the docker command", ("docker",), (DOCKER_PACKAGE,))
FAKETIME = Part("libfaketime", ("faketime",), ("faketime",))
CHROMIUM = Part("Chromium", ("chromium-headless-shell",), ("chromium-headless-shell", "fonts-liberation"))
QEMU = Part("QEMU's user mode", ("qemu-aarch64-static",), ("qemu-user-static",))
APT = Part("apt", ("apt-get", "dpkg-deb"), ("apt", "dpkg"))
GETTEXT = Part("gettext", ("xgettext", "msgmerge", "msgfmt"), ("gettext",))
COMPILER = Part(
    "A C compiler with Python's headers",
    ("gcc", "as", "ld"),
    ("gcc", "libc6-dev", "python3-dev"),
    files=(Path("/usr/include/stdio.h"), Path(sysconfig.get_path("include"), "Python.h")),
)

PARTS = (
    POSTGRES,
    REDIS,
    RABBITMQ,
    DOCKER,
    DOCKER_COMMAND,
    REGISTRY,
    SKOPEO,
    PODMAN,
    CONTAINERD,
    FAKETIME,
    CHROMIUM,
    QEMU,
    APT,
    GETTEXT,
    COMPILER,
)


def find_program(name: str) -> Path | None:
    """Return where a program is, looking where Debian puts servers too."""
    folders = [*os.get_exec_path(), *SERVER_FOLDERS, *(str(folder / "bin") for folder in postgres_versions())]
    location = shutil.which(name, path=os.pathsep.join(folders))
    return Path(location) if location else None


def program(name: str) -> Path:
    """Return where a program is that its part was found to have."""
    location = find_program(name)
    if location is None:
        raise FileNotFoundError(f"{name} is not installed: run `python -m tests.services.install`")
    return location


def postgres_versions() -> list[Path]:
    """Return the folders of the installed PostgreSQL versions, the newest first."""
    if not POSTGRES_FOLDERS.is_dir():
        return []
    numbered = [folder for folder in POSTGRES_FOLDERS.iterdir() if folder.name.isdigit()]
    return sorted(numbered, key=lambda folder: int(folder.name), reverse=True)
