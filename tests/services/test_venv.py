"""`make run` on a machine with only Python: .venv is made once, or a sentence says what is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "venv.sh"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone with a requirements file that asks for nothing, so that no index is needed."""
    (tmp_path / "requirements.txt").write_text("# nothing yet\n")
    return tmp_path


def make_venv(clone: Path, python: str | Path = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", SCRIPT, "requirements.txt"],
        cwd=clone,
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
    )


def a_python(folder: Path, script: str) -> Path:
    """Return an interpreter that answers as an odd one would."""
    path = folder / "odd-python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_venv_is_made_once_and_again_when_something_changed(clone: Path) -> None:
    first, second = make_venv(clone), make_venv(clone)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert first.stderr == "Installing requirements.txt into .venv\n"
    assert second.stderr == second.stdout == ""

    (clone / "requirements.txt").write_text("this is no requirement\n")
    for _attempt in range(2):
        failed = make_venv(clone)
        assert failed.returncode == 1
        assert "pip could not install the requirements" in failed.stderr

    (clone / "requirements.txt").write_text("# nothing again\n")
    (clone / ".venv/bin/python").unlink()
    assert make_venv(clone).stderr == "Installing requirements.txt into .venv\n"
    assert (clone / ".venv/bin/python").exists()


def test_an_old_python_is_refused_with_its_version(clone: Path) -> None:
    old = a_python(clone, 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')

    done = make_venv(clone, old)

    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_missing_python_is_told(clone: Path) -> None:
    shutil.copy("/bin/true", clone / "apt-get")  # nothing is installed by this test, even as root

    done = subprocess.run(
        ["/bin/sh", SCRIPT, "requirements.txt"],
        cwd=clone,
        env={"PATH": f"{clone}:/usr/bin:/bin", "PYTHON": "python9"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "python9 was not found. Install Python 3.11 or newer" in done.stderr
