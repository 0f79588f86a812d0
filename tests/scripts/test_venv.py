"""`make run` on a machine with only Python: .venv gets what uv.lock pins, or a sentence says what is missing."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.builds.imaging.serving import Answer, Server

SCRIPT = Path(__file__).parents[2] / "scripts" / "venv.sh"
PROJECT = """\
[project]
name = "clone"
version = "1"
requires-python = ">=3.11"
dependencies = ["needed"]

[dependency-groups]
dev = ["tool"]
"""
INSTALLING = "Installing the libraries of uv.lock into .venv\n"


def wheel(folder: Path, name: str, text: str = "") -> Path:
    path = folder / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in (
            (f"{name}.py", text),
            (f"{name}-1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"),
            (f"{name}-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            (f"{name}-1.dist-info/RECORD", ""),
        ):
            archive.writestr(zipfile.ZipInfo(file), content)  # the same bytes each time
    return path


def lock(clone: Path) -> str:
    """Return a uv.lock as on PyPI; nothing is there, so that only another index can serve it."""
    packages = []
    for name in ("needed", "tool"):
        digest = hashlib.sha256((clone / f"{name}-1-py3-none-any.whl").read_bytes()).hexdigest()
        packages.append(
            f'[[package]]\nname = "{name}"\nversion = "1"\nsource = {{ registry = "https://pypi.org/simple" }}\n'
            f'wheels = [{{ url = "https://files.pythonhosted.org/packages/{name}-1-py3-none-any.whl", '
            f'hash = "sha256:{digest}" }}]\n'
        )
    return "\n".join(
        [
            'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n',
            '[[package]]\nname = "clone"\nversion = "1"\nsource = { virtual = "." }\n'
            'dependencies = [{ name = "needed" }]\n\n'
            '[package.dev-dependencies]\ndev = [{ name = "tool" }]\n',
            *packages,
            f'[[package]]\nname = "uv"\nversion = "{version("uv")}"\nsource = {{ registry = "https://pypi.org/simple" }}\n',
        ]
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone of a project that needs a library, and a tool for development."""
    for name in ("needed", "tool"):
        wheel(tmp_path, name)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "uv.lock").write_text(lock(tmp_path))
    return tmp_path


@pytest.fixture
def index(clone: Path) -> Iterator[Server]:
    """A company's package index: it has the clone's libraries, and this machine's has uv."""

    def answer(request: BaseHTTPRequestHandler) -> Answer:
        name = request.path.strip("/").split("/")[-1]
        if name.endswith(".whl"):
            return 200, {"Content-Type": "application/zip"}, (clone / name).read_bytes()
        file = f"{name}-1-py3-none-any.whl"
        if not (clone / file).exists():
            return 404, {}, b""
        return 200, {"Content-Type": "text/html"}, f'<a href="/files/{file}">{file}</a>'.encode()

    with Server(answer).running() as server:
        yield server


def make_venv(
    clone: Path, wanted: str = "runtime", *, python: str | Path = sys.executable, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", SCRIPT, wanted],
        cwd=clone,
        env={**os.environ, "PATH": "/usr/bin:/bin", "PYTHON": str(python), "UV_NO_CACHE": "1", **more},
        capture_output=True,
        text=True,
        check=False,
    )


def installed(clone: Path) -> set[str]:
    """Return which of the clone's two libraries its .venv has."""
    return {
        name for name in ("needed", "tool") if list(clone.glob(f".venv/lib/python*/site-packages/{name}.py"))
    }


def an_interpreter(folder: Path, script: str) -> Path:
    """Return an interpreter that answers as an odd one would."""
    path = folder / "odd-python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.slow
def test_a_venv_is_made_and_holds_what_the_lock_names(clone: Path, index: Server) -> None:
    of_pip = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    settings = {
        "PIP_INDEX_URL": f"{index.url}/simple",
        "PIP_EXTRA_INDEX_URL": os.environ.get("PIP_INDEX_URL") or of_pip or "https://pypi.org/simple",
        "UV_DEFAULT_INDEX": "",
    }

    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/bin/python").symlink_to("/interpreter/that/has/gone")

    wheel(clone, "needed", "changed = True")
    for _attempt in range(2):
        failed = make_venv(clone, **settings)
        assert failed.returncode == 1
        assert "Hash mismatch for `needed==1`" in failed.stderr
        assert "uv could not install the libraries" in failed.stderr

    wheel(clone, "needed")
    for wanted, expected in (("runtime", {"needed"}), ("development", {"needed", "tool"})):
        first, second = make_venv(clone, wanted, **settings), make_venv(clone, wanted, **settings)
        assert (first.returncode, second.returncode) == (0, 0), first.stderr
        assert first.stderr.startswith(INSTALLING)
        assert second.stderr == second.stdout == ""
        assert installed(clone) == expected
    assert make_venv(clone, "runtime", **settings).stderr == ""


@pytest.mark.parametrize(
    ("optimized", "version", "taken"),
    [
        (False, "(3, 12)", "the-distributions"),
        (True, "(3, 12)", "python3"),
        (False, "(3, 11)", "python3"),  # the version of the PATH is the wanted one
        (False, "no such module", "python3"),
    ],
)
def test_the_distributions_python_replaces_one_of_its_version_without_optimization(
    clone: Path, optimized: bool, version: str, taken: str
) -> None:
    def script(answer: str) -> str:
        return f'case "$*" in *CONFIG_ARGS*) exit {int(optimized)};; *print*) echo "{answer}";; *"-m venv"*) exit 1;; esac'

    an_interpreter(clone, script("(3, 12)")).rename(clone / "python3")
    distributions = an_interpreter(clone, script(version)).rename(clone / "the-distributions")

    done = make_venv(clone, python="python3", DISTRIBUTION=str(distributions), PATH=f"{clone}:/usr/bin:/bin")

    assert done.returncode == 1
    assert f"{taken} -m venv .venv failed." in done.stderr


def test_an_old_python_is_refused_with_its_version(clone: Path) -> None:
    old = an_interpreter(clone, 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')

    done = make_venv(clone, python=old)

    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_missing_python_is_named(clone: Path) -> None:
    shutil.copy("/bin/true", clone / "apt-get")  # nothing is installed by this test, even as root

    done = make_venv(clone, python="python9", PATH=f"{clone}:/usr/bin:/bin")

    assert done.returncode == 1
    assert "python9 was not found. Install Python 3.11 or newer" in done.stderr
