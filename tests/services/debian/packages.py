"""Packages of Debian, fetched and verified by an apt of their own and unpacked into a folder beside this system."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services.parts import find_program

KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR = "http://deb.debian.org/debian"


class Unavailable(Exception):
    """Packages of Debian cannot be had here; says why."""


def unpack(packages: Sequence[str], folder: Path, cache: Path, suite: str, architecture: str = "") -> None:
    """Unpack packages of a suite into a folder; `cache` keeps apt's lists and files. Raises Unavailable.

    `architecture` is Debian's name of another machine than this.
    """
    if find_program("apt-get") is None or find_program("dpkg-deb") is None or not KEYS.exists():
        raise Unavailable("this is no Debian, so its packages cannot be had and verified")
    files = _downloaded(packages, cache, suite, architecture)
    folder.mkdir(parents=True, exist_ok=True)
    for package in files:
        _run(["dpkg-deb", "-x", str(package), str(folder)])


def _downloaded(packages: Sequence[str], folder: Path, suite: str, architecture: str) -> list[Path]:
    """Fetch the packages by an apt with lists and settings of its own; this machine's stay as they are."""
    for name in ("lists/partial", "archives/partial", "packages", "no-parts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={KEYS}] {MIRROR} {suite} main\n")
    payload: dict[str, object] = {
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": folder / "no-parts",
        "Dir::Etc::preferencesparts": folder / "no-parts",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    if architecture:
        payload |= {"APT::Architecture": architecture, "APT::Architectures": architecture}
    options = [word for name, value in payload.items() for word in ("-o", f"{name}={value}")]
    _run(["apt-get", *options, "update"])
    # Each file is named by its package, and may be there in an older version too.
    shutil.rmtree(folder / "packages")
    (folder / "packages").mkdir()
    _run(["apt-get", *options, "download", *packages], folder / "packages")
    return sorted((folder / "packages").glob("*.deb"))


def _run(argv: Sequence[str], folder: Path | None = None) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{argv[0]} failed: {done.stderr.strip()[-300:]}")
