"""Projects that the real uv locks and solves, against wheels made at test time."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import uv
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from environments.definition import Reading
from tests.services.servers.threads import serving

LINUX = {
    "sys_platform": "linux",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}


def wheel(
    folder: Path, name: str, version: str, requires: Iterable[str] = (), extras: Iterable[str] = ()
) -> Path:
    """A wheel without content."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    metadata += [f"Provides-Extra: {extra}\n" for extra in extras]
    metadata += [f"Requires-Dist: {line}\n" for line in requires]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", "".join(metadata))
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{stem}.dist-info/WHEEL", tags)
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return path


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder on this machine; the value is the URL."""
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def run_uv(folder: Path, *arguments: str, offline: bool = True) -> subprocess.CompletedProcess[str]:
    """Run uv in a folder, without a network unless it is allowed."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "UV_OFFLINE": str(int(offline)),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(folder.parent / "uv-cache"),
        "UV_NO_PROGRESS": "1",
    }
    command = [uv.find_uv_bin(), *arguments, "--color", "never"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def exported(folder: Path, *arguments: str) -> list[Requirement]:
    """The requirements that uv exports of the lock of a project."""
    done = run_uv(
        folder,
        "export",
        "--frozen",
        "--no-dev",
        "--no-emit-workspace",
        "--no-header",
        "--no-annotate",
        "--no-hashes",
        *arguments,
    )
    assert done.returncode == 0, done.stderr
    return [
        Requirement(line) for line in done.stdout.splitlines() if line and not line.startswith(("-", "."))
    ]


def installed(lines: Iterable[Requirement], python: str) -> dict[str, str]:
    """The names and versions that requirements install on Linux, for one version of Python."""
    here = {**LINUX, "python_version": python, "python_full_version": f"{python}.5"}
    return {
        canonicalize_name(line.name): str(line.specifier or line.url)
        for line in lines
        if line.marker is None or line.marker.evaluate(here)
    }


def read_requirements(reading: Reading) -> list[Requirement]:
    """The requirements of a reading, without options and hashes."""
    assert reading.definition is not None, reading.errors
    lines = [line for line in reading.definition.python.pip if not line.startswith("-")]
    return [Requirement(line.partition(" --hash")[0]) for line in lines]
